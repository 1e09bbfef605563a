"""`make mutants`: changes of model/ and engine/ that no unit test notices, by cosmic-ray; NAME=... for one module.

cosmic-ray writes each mutant into the module's own file. So it works on a copy of the checkout.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.repository import REPOSITORY

_PARTS = ("model", "engine")
_TESTS = Path("tests/unit")
_SECONDS = 300.0
"""After which a mutant counts as killed: some never end by themselves."""

_SESSION, _CONFIG = "mutants.sqlite", "mutants.toml"
_TOML = """\
[cosmic-ray]
module-path = "{module}"
timeout = {seconds}
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider -p no:xdist --hypothesis-seed=0 {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def main(arguments: Sequence[str]) -> int:
    """Print cosmic-ray's report of the mutants that live, for each module; 1 if tests fail without any change."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("names", nargs="*", default=_PARTS, help="such as model/cells, or model; by default all")
    modules = [module for name in parser.parse_args(arguments).names for module in modules_of(name)]
    with tempfile.TemporaryDirectory(prefix="cachemon-mutants-") as place:
        copy = Path(place)
        copy_checkout(copy)
        are_well = [try_mutants_of(copy, module) for module in modules]
        return int(not all(are_well))


def copy_checkout(folder: Path) -> None:
    """Copy what git knows of the checkout, as it is now."""
    listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z"], capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)


def modules_of(name: str) -> list[str]:
    """The module of this name, or all those of a folder."""
    if name not in _PARTS:
        return [name]
    return [f"{name}/{path.stem}" for path in sorted((REPOSITORY / "operator/cachemon" / name).glob("[a-z]*.py"))]


def tests_of(module: str, repository: Path) -> list[str]:
    """The unit tests that import a module themselves; the file of its name comes first.

    Args:
        module: such as `model/cells`.
        repository: whose tests.
    """
    name, own = f"cachemon.{module.replace('/', '.')}", f"test_{module.rpartition('/')[2]}.py"
    found = [path for path in sorted((repository / _TESTS).rglob("test_*.py")) if name in _imported(path)]
    return [str(path.relative_to(repository)) for path in sorted(found, key=lambda path: path.name != own)]


def try_mutants_of(copy: Path, module: str) -> bool:
    """Print the report on one module; False if its tests fail without any change.

    Args:
        copy: of a checkout, which is changed.
        module: such as `model/cells`.
    """
    tests = tests_of(module, copy)
    print(f"# {module}, by {len(tests)} files of tests", flush=True)
    if not tests:
        return True
    config = _TOML.format(
        module=f"operator/cachemon/{module}.py", seconds=_SECONDS, python=sys.executable, tests=" ".join(tests)
    )
    (copy / _CONFIG).write_text(config, encoding="utf-8")
    if _cosmic_ray(copy, "baseline", _CONFIG):
        return False
    _cosmic_ray(copy, "init", "--force", _CONFIG, _SESSION)
    _cosmic_ray(copy, "exec", _CONFIG, _SESSION)
    _run(copy, "cr-report", "--surviving-only", "--show-diff", "--no-show-output", _SESSION)
    return True


def _cosmic_ray(copy: Path, *arguments: str) -> int:
    return _run(copy, "cosmic-ray", *arguments)


def _run(copy: Path, program: str, *arguments: str) -> int:
    """Run a program of cosmic-ray on the copy: its modules are imported before those of the checkout."""
    paths = os.pathsep.join(str(copy / name) for name in ("operator", "emulator", ""))
    command: list[str | Path] = [Path(sys.executable).with_name(program), *arguments]
    return subprocess.run(command, cwd=copy, env={**os.environ, "PYTHONPATH": paths}, check=False).returncode


def _imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
