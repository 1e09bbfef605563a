"""The chart in the hands of Helm 3's own program: chart-testing's lint, the rendering, and a registry.

All other tests of the chart run the code of Helm 4.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import helm_python
import pytest
import yaml

from cachemon import __version__
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from lab.registry import Registry, registry_program
from lab.repository import REPOSITORY
from tests.integration.chart.cases import EVERYTHING
from tests.integration.chart.chart_testing import chart_testing, lint
from tests.integration.chart.rendering import Values, nested, objects
from tools.manifests import CHART, NAMESPACE, RELEASE
from tools.release.chart_archive import make_chart_archive

_KUBERNETES = "--kube-version=1.36.0"  # without a cluster, Helm takes an older one than the chart wants

pytestmark = pytest.mark.timeout(1800)  # with nothing cached, Helm is built here


@pytest.fixture(scope="module")
def programs() -> Path:
    return found_or_skip(chart_testing, BinariesError)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    program = found_or_skip(registry_program, BinariesError)
    with Registry(program, tmp_path_factory.mktemp("registry")) as running:
        yield running


def helm(programs: Path, home: Path, *arguments: str | Path, given: str = "") -> str:
    environment = {**os.environ, "HELM_CONFIG_HOME": str(home), "HELM_CACHE_HOME": str(home)}
    command = [programs / "helm", *arguments]
    done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_chart_testing_finds_nothing(programs: Path) -> None:
    done = lint(programs, CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation success" in done.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout
    assert "[WARNING]" not in done.stdout


WRONG = {
    "Unexpected element": ("Chart.yaml", "type: application", "kind: application"),
    "too many spaces after colon": ("values.yaml", "logFormat: text", "logFormat:  text"),
    "nil pointer": ("templates/operator.yaml", "  replicas: 1", "  replicas: {{ .Values.no.such }}"),
}


@pytest.mark.parametrize("said", WRONG)
def test_chart_testing_finds_what_is_wrong(programs: Path, tmp_path: Path, said: str) -> None:
    chart = shutil.copytree(CHART, tmp_path / CHART.name)
    file, old, new = WRONG[said]
    text = (chart / file).read_text(encoding="utf-8")
    assert old in text
    (chart / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    done = lint(programs, chart)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default", "everything"])
def test_helm_3_renders_what_helm_4_renders(programs: Path, tmp_path: Path, values: Values) -> None:
    given = yaml.safe_dump(nested(values))
    text = helm(
        programs,
        tmp_path,
        "template",
        RELEASE,
        CHART,
        "-n",
        NAMESPACE,
        "--kube-version=1.36.0",
        "-f",
        "-",
        given=given,
    )
    rendered = [item for item in yaml.safe_load_all(text) if item]

    def name(item: dict[str, dict[str, str]]) -> str:
        return f"{item['kind']} {item['metadata']['name']}"

    assert sorted(rendered, key=name) == sorted(objects(values), key=name)


def test_a_chart_that_helm_3_pushes_to_a_registry_comes_back_the_same_to_both(
    programs: Path, registry: Registry, tmp_path: Path
) -> None:
    make_chart_archive(tmp_path, {"IMAGES": f"{registry.host}/cachemon"})
    packed = tmp_path / f"charts/cachemon-{__version__}.tgz"
    remote = f"oci://{registry.host}/charts"
    helm(programs, tmp_path, "push", packed, remote, "--plain-http")

    versioned = (f"{remote}/cachemon", f"--version={__version__}", "--plain-http")
    helm(programs, tmp_path, "pull", *versioned, f"--destination={tmp_path}")
    assert (tmp_path / packed.name).read_bytes() == packed.read_bytes()
    rendered = helm(programs, tmp_path, "template", RELEASE, *versioned, _KUBERNETES)
    assert f"image: {registry.host}/cachemon/cachemon-operator:{__version__}" in rendered

    (tmp_path / "by-helm-4").mkdir()
    helm_python.pull(f"{remote}/cachemon", version=__version__, destination=tmp_path / "by-helm-4", plain_http=True)
    assert (tmp_path / "by-helm-4" / packed.name).read_bytes() == packed.read_bytes()


def test_the_version_of_helm_that_the_support_page_names_is_the_one_that_is_run(
    programs: Path, tmp_path: Path
) -> None:
    version = helm(programs, tmp_path, "version", "--template={{ .Version }}")
    page = (REPOSITORY / "docs/support.md").read_text(encoding="utf-8")
    assert f"Helm {version.removeprefix('v')}" in page
    assert f"Helm's library {'.'.join(helm_python.helm_sdk_version().removeprefix('v').split('.')[:2])}" in page
