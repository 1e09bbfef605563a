"""chart-testing's program `ct` and the Helm 3 that it runs, built from pinned Go modules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab.kubernetes import go_toolchain
from lab.kubernetes.go_build import Program, build_all, build_environment
from lab.program_cache import BinariesError, ProgramCache, user_cache
from lab.progress import say_on_stderr
from lab.repository import REPOSITORY

_SOURCES = REPOSITORY / "tools/release/chart_testing"
_CT, _HELM = "github.com/helm/chart-testing/v3", "helm.sh/helm/v3"
CT = Program("ct", _SOURCES, f"{_CT}/ct", _CT, "a minute")
HELM = Program("helm", _SOURCES, f"{_HELM}/cmd/helm", _HELM, "about 3 minutes")
_RULES = ("chart_schema.yaml", "lintconf.yaml")


def chart_testing() -> Path:
    """The folder with `ct`, `helm` and the rules that chart-testing brings.

    Raises:
        BinariesError: they could not be built.
    """
    cache = user_cache()

    def make(folder: Path) -> None:
        build_all(folder, cache / "go", say_on_stderr, [CT, HELM])
        for name in _RULES:
            shutil.copy(_module() / "etc" / name, folder / name)
            (folder / name).chmod(0o644)  # Go's cache can't be written

    folder = cache / "chart-testing" / f"ct-{CT.version}-helm-{HELM.version}"
    return ProgramCache("ct and helm", ["ct", "helm", *_RULES], folder, make, say_on_stderr).find_or_make()


def lint(folder: Path, chart: Path) -> subprocess.CompletedProcess[str]:
    """`ct lint`: yamale for Chart.yaml, yamllint for it and the values, `helm lint` for all.

    Args:
        folder: see `chart_testing`.
        chart: the folder of a chart.
    """
    command: list[str | Path] = [
        folder / "ct", "lint", f"--charts={chart}", "--check-version-increment=false", "--validate-maintainers=false",
        f"--chart-yaml-schema={folder / _RULES[0]}", f"--lint-conf={folder / _RULES[1]}",
    ]  # fmt: skip
    paths = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    return subprocess.run(
        command, env={**os.environ, "PATH": ":".join(paths)}, capture_output=True, text=True, check=False
    )


def _module() -> Path:
    go = go_toolchain.find_or_install(user_cache() / "go", say_on_stderr)
    command: list[str | Path] = [go, "list", "-m", "-f={{.Dir}}", _CT]
    done = subprocess.run(
        command, cwd=_SOURCES, env=build_environment(os.environ), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BinariesError(f"the rules of chart-testing: {done.stderr.strip()}")
    return Path(done.stdout.strip())
