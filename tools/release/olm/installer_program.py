"""`python -m tools.release.olm.installer_program FOLDER`: helm-operator for the installer, built of Go modules.

It goes to `FOLDER/linux/ARCHITECTURE/helm-operator`. GOARCH in the environment names another architecture than the
machine's.
"""

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.kubernetes.go_build import Program, build_all
from lab.program_cache import ProgramCache, user_cache
from lab.progress import say_on_stderr

_MODULE = "github.com/operator-framework/helm-operator-plugins"
HELM_OPERATOR = Program("helm-operator", Path(__file__).parent / "helm-operator", _MODULE, _MODULE, "about 6 minutes")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(environment: Mapping[str, str] = os.environ) -> str:
    """Go's name of the architecture that is built for."""
    return environment.get("GOARCH") or _ARCHITECTURES.get(platform.machine(), platform.machine())


def helm_operator() -> Path:
    """The program, built where it is not there yet.

    Raises:
        BinariesError: it could not be built.
    """
    return _cache().find_or_make() / HELM_OPERATOR.name


def _cache() -> ProgramCache:
    cache = user_cache()

    def make(target: Path) -> None:
        build_all(target, cache / "go", say_on_stderr, [HELM_OPERATOR])

    folder = cache / "helm-operator" / f"helm-operator-{HELM_OPERATOR.version}-linux-{architecture()}"
    return ProgramCache(HELM_OPERATOR.name, [HELM_OPERATOR.name], folder, make, say_on_stderr)


if __name__ == "__main__":
    place = Path(sys.argv[1], "linux", architecture())
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(helm_operator(), place)
