"""The bundle by the validators of Operator Framework: those of OLM itself, and those of OperatorHub."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from tools.release.go_tools import go_tool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_MODULE = "github.com/operator-framework/api"
_ALL = ("--operatorhub_validate", "--object_validate")
KNOWN = (
    "Migrate the API(s) for events",  # it takes the group events.k8s.io for its version v1beta1, which nobody uses
    'The "operatorhub" validator is deprecated',
)
CSV = "cachemon.clusterserviceversion.yaml"


@pytest.fixture(scope="module")
def operator_verify() -> Path:
    return found_or_skip(
        lambda: go_tool("operator-verify", f"{_MODULE}/cmd/operator-verify", _MODULE, "about 5 minutes"),
        BinariesError,
    )


def complaints(program: Path, manifests: Path) -> list[str]:
    done = subprocess.run([program, "manifests", *_ALL, manifests], capture_output=True, text=True, check=True)
    found = [line for line in done.stderr.splitlines() if re.search(r"level=(error|warning|fatal)", line)]
    return [line for line in found if not any(known in line.replace("\\", "") for known in KNOWN)]


def test_the_validators_find_nothing(operator_verify: Path, olm: Path) -> None:
    assert complaints(operator_verify, olm / "bundle/manifests") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("categories: Monitoring", "categories: Watching"),
        ("minKubeVersion: 1.32.0", "minKubeVersion: recent"),
        ("mediatype: image/svg+xml", "mediatype: text/plain"),
    ],
)
def test_the_validators_find_what_is_wrong(
    operator_verify: Path, olm: Path, tmp_path: Path, old: str, new: str
) -> None:
    manifests = tmp_path / "manifests"
    shutil.copytree(olm / "bundle/manifests", manifests)
    text = (manifests / CSV).read_text(encoding="utf-8")
    assert old in text
    (manifests / CSV).write_text(text.replace(old, new), encoding="utf-8")
    assert complaints(operator_verify, manifests)
