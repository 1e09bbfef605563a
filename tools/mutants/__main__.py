"""`make mutants`: which changes of model/ and engine/ no unit test notices; NAME=... for one module."""

import argparse
import ast
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.repository import REPOSITORY
from lab.speed import slowness
from tools.mutants.operators import mutants_of
from tools.mutants.trial import Effort, Outcome, Replaced, register_profiles, run

_SOURCES = REPOSITORY / "operator"
_TESTS = REPOSITORY / "tests" / "unit"
_PARTS = ("model", "engine")
_FIRST_RUN_SECONDS = 300


def main(arguments: Sequence[str]) -> int:
    """Print every mutant that its tests passed, and counts; 1 if the tests fail without any change."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as model/cells; all of model/ and engine/ by default")
    named = parser.parse_args(arguments).modules
    paths = [_SOURCES / "cachemon" / f"{name}.py" for name in named] or [
        path for part in _PARTS for path in sorted((_SOURCES / "cachemon" / part).glob("[a-z]*.py"))
    ]
    slowness()  # measured once for all forks
    register_profiles()
    are_well = [_try_mutants_of(path) for path in paths]
    return int(not all(are_well))


def _try_mutants_of(path: Path) -> bool:
    """Print the mutants of a module that live; False if a test fails without any change."""
    name = ".".join(path.relative_to(_SOURCES).with_suffix("").parts)
    source, title = path.read_text(encoding="utf-8"), "/".join(path.with_suffix("").parts[-2:])
    tests = {}
    for file in tests_of(name):
        outcome, took = run(Replaced(name, path, ast.parse(source)), [file], _FIRST_RUN_SECONDS, Effort.ALL_EXAMPLES)
        if outcome is not Outcome.PASSED:
            print(f"{title}: {file.name}: {outcome.value}, and nothing is changed yet")
            return False
        tests[file] = int(5 * took) + 5
    survivors = count = 0
    for mutant in mutants_of(source):
        count += 1
        if _lives(Replaced(name, path, mutant.tree), tests):
            survivors += 1
            print(f"{title}:{mutant}", flush=True)
    print(f"{title}: {count} mutants, {survivors} live, by {len(tests)} files of tests", flush=True)
    return True


def _lives(mutant: Replaced, tests: Mapping[Path, int]) -> bool:
    """Whether a mutant passes all files of tests; each has its processor time in seconds."""
    # most mutants die by the module's own file, so the others are seldom run
    return all(
        run(mutant, [file], most, effort)[0] is Outcome.PASSED for file, most in tests.items() for effort in Effort
    )


def tests_of(module: str) -> list[Path]:
    """The unit tests that import a module themselves; the file of its name comes first."""
    own = f"test_{module.rpartition('.')[2]}.py"
    found = [path for path in sorted(_TESTS.rglob("test_*.py")) if module in _imported(path)]
    return sorted(found, key=lambda path: path.name != own)


def _imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
