"""What else a release has: the chart, the manifest, the plugin for krew, and the checksums."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from cachemon import __version__
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import REPOSITORY
from tools.manifests import CHART, NAMESPACE, RELEASE
from tools.release.__main__ import make_release


def objects(text: str) -> dict[tuple[str, str], Any]:
    return {(it["kind"], it["metadata"]["name"]): it for it in yaml.safe_load_all(text) if it}


def rendered(path: Path) -> dict[str, str]:
    with helm_python.Chart.load(path) as chart:
        return dict(chart.render(name=RELEASE, namespace=NAMESPACE))


@pytest.fixture(scope="module")
def plugin(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as krew unpacks it."""
    folder = tmp_path_factory.mktemp("krew")
    archive = release / f"kubectl-cachemon-{__version__}.tar.gz"
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder / "kubectl-cachemon"


def test_two_releases_of_one_checkout_have_the_same_bytes(release: Path, tmp_path: Path) -> None:
    make_release(tmp_path)
    again = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert again == {path.name: path.read_bytes() for path in release.rglob("*") if path.is_file()}


def test_a_folder_with_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("1")
    with pytest.raises(SystemExit, match="has files"):
        make_release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_checksums_are_those_of_all_files(release: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, capture_output=True, text=True, check=True
    )
    files = {str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()}
    assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == files - {"SHA256SUMS"}


def test_the_table_for_maintainers_says_where_each_artefact_goes(release: Path) -> None:
    table = re.findall(r"^\| (`.+?) \|", (REPOSITORY / "RELEASING.md").read_text(), re.MULTILINE)
    places = [place for row in table for place in re.findall(r"`([^`]*[./*][^`]*|[A-Z0-9]+)`", row)]
    patterns = {place: place.replace("VERSION", __version__).replace("PROGRAM", "*") for place in places}
    made = [path.relative_to(release) for path in release.rglob("*") if path.is_file()]

    def goes_by(path: Path, pattern: str) -> bool:
        return any(part.match(pattern) for part in (path, *path.parents) if part.parts)

    assert [path for path in made if not any(goes_by(path, pattern) for pattern in patterns.values())] == []
    unmade = {place for place, pattern in patterns.items() if not any(goes_by(path, pattern) for path in made)}
    assert {Path(place).parts[0] for place in unmade} <= {"images"}  # root builds those


def test_the_packed_chart_renders_what_the_chart_renders(release: Path) -> None:
    assert rendered(release / f"charts/cachemon-{__version__}.tgz") == rendered(CHART)


def test_the_manifest_has_the_objects_of_the_folders(release: Path) -> None:
    made = objects((release / f"cachemon-{__version__}.yaml").read_text())
    for path in [*(REPOSITORY / "crds").glob("*.yaml"), *(REPOSITORY / "manifests").glob("*.yaml")]:
        if path.name != "kustomization.yaml":
            wanted = objects(path.read_text())
            assert {key: made[key] for key in wanted} == wanted


def test_the_krew_manifest_names_the_archive_by_its_checksum(release: Path) -> None:
    manifest = yaml.safe_load((release / "cachemon.yaml").read_text())
    (platform,) = manifest["spec"]["platforms"]
    archive = release / Path(platform["uri"]).name
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert manifest["spec"]["version"] == f"v{__version__}"
    with tarfile.open(archive) as packed:
        assert packed.getmember(platform["bin"]).mode & 0o111
        assert "LICENSE" in packed.getnames()


def test_the_plugin_needs_nothing_but_python(plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONNOUSERSITE": "1"}
    kubectl = shutil.which(str(kubectl_program()))
    assert kubectl
    (tmp_path / "kubectl-cachemon").symlink_to(plugin)
    done = subprocess.run(
        [kubectl, "cachemon", "version", "--client"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"plugin {__version__}\n"
    shown = subprocess.run(
        [plugin, "completion", "bash"], env=environment, capture_output=True, text=True, check=True
    )
    assert "kubectl-cachemon" in shown.stdout


def test_the_plugin_is_of_pure_python_and_carries_the_licences_of_what_it_bundles(plugin: Path) -> None:
    with zipfile.ZipFile(plugin) as packed:
        names = packed.namelist()
    assert [name for name in names if name.endswith((".so", ".pyc"))] == []
    bundled = {name.partition("-")[0] for name in names if ".dist-info/" in name}
    licensed = {name.partition("-")[0] for name in names if ".dist-info/" in name and "licen" in name.lower()}
    assert bundled == licensed
    assert os.access(plugin, os.X_OK)
