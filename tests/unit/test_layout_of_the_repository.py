import ast
import importlib
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.repository import REPOSITORY

LONGEST_MODULE = 300
FOLDERS = {
    "operator/cachemon": (
        "model interference resctrl qemu kube libvirt engine daemon telemetry commands web "
        "plugin agent controller host/agent host/commands"
    ),
    "emulator": "resctrl_emulator",
    "lab": "kubernetes nodes vms libvirt kernel traces debian_host",
    "tests": "unit integration e2e soak bench interference",
    ".": "demo tools crds manifests charts docs requirements",
}
MAY_REPEAT = {"__init__.py", "main.py", "config.py"}
"""What a file of this name holds is clear from the package that it is in."""


def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def test_operator_is_no_package_for_it_would_shadow_the_standard_librarys() -> None:
    assert (REPOSITORY / "operator").is_dir()
    assert not (REPOSITORY / "operator/__init__.py").exists()


def test_the_folders_are_those_that_the_design_names() -> None:
    wanted = [REPOSITORY / top / folder for top, folders in FOLDERS.items() for folder in folders.split()]
    assert [str(folder) for folder in wanted if not folder.is_dir()] == []


def test_a_file_name_stands_once_in_the_package() -> None:
    names = Counter(path.name for path in (REPOSITORY / "operator/cachemon").rglob("*.py"))
    assert {name for name, times in names.items() if times > 1} - MAY_REPEAT == set()


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports; what is imported from a package may be one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_archives_are_unpacked_by_tar_as_python_3_11_2_has_no_safe_way() -> None:
    """Debian 12 has that one. `extractall` without `filter` is unsafe, and `filter` came with 3.11.4."""
    folders = ("operator", "emulator", "tests", "lab", "demo", "tools")
    found = [
        str(path.relative_to(REPOSITORY))
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "extractall"
    ]
    assert found == []


def test_helpers_are_in_modules_of_their_own() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {module}"
        for folder in ("tests", "lab", "demo", "tools")
        for path in (REPOSITORY / folder).rglob("*.py")
        for module in imported(path)
        if module.startswith("tests.") and module.rpartition(".")[2].startswith(("test_", "conftest"))
    ]
    assert found == []


def test_import_operator_from_the_root_is_the_standard_librarys() -> None:
    code = "import sys; sys.path.insert(0, '.'); sys.modules.pop('operator', None)"
    code += "; import operator; print(operator.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert answer.endswith("/operator.py")
    assert not answer.startswith(str(REPOSITORY / "operator"))


@pytest.mark.parametrize(
    ("distribution", "package", "module"),
    [(".", "cachemon", "model/plan.py"), ("emulator", "resctrl_emulator", "kernel.py")],
)
def test_a_wheel_holds_its_package_and_nothing_else(
    distribution: str, package: str, module: str, tmp_path: Path
) -> None:
    build = (
        "import sys; from hatchling.build import build_wheel;"
        "print(build_wheel(sys.argv[1]))"
    )  # fmt: skip
    name = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=REPOSITORY / distribution,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()[-1]
    with zipfile.ZipFile(tmp_path / name) as wheel:
        tops = {path.split("/")[0] for path in wheel.namelist()}
        assets = {path for path in wheel.namelist() if path.startswith("cachemon/web/assets/")}
        assert f"{package}/{module}" in wheel.namelist()
    assert tops == {package, name.split("-py3")[0] + ".dist-info"}
    if package == "cachemon":
        files = (REPOSITORY / "operator/cachemon/web/assets").rglob("*")
        assert assets == {str(path.relative_to(REPOSITORY / "operator")) for path in files if path.is_file()}


def test_no_module_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines())
        for folder in ("operator", "emulator")
        for path in (REPOSITORY / folder).rglob("*.py")
    }
    assert len(lengths) > 30
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


@pytest.mark.parametrize("command", sorted(project()["project"]["scripts"]))
def test_every_console_script_is_a_function_that_can_be_called(command: str) -> None:
    module, _, function = project()["project"]["scripts"][command].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_layers_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([str(lint), "--no-cache"], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
    assert " 0 broken" in answer.stdout
