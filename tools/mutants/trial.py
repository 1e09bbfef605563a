"""Runs the tests of a module in a fork, in which the module is a mutant."""

import ast
import importlib.abc
import importlib.machinery
import os
import resource
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

_FEW_EXAMPLES = 15
_OPTIONS = (
    *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=20"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is imported before the fork
)
_NEVER_STARTED = 5  # pytest: no test was collected


class Outcome(Enum):
    """How the tests ended."""

    PASSED = "passed"
    FAILED = "failed, or did not end"
    NONE = "no tests"


class Effort(Enum):
    """How many examples hypothesis makes: few kill most mutants in a third of the time."""

    FEW_EXAMPLES = "mutants-few"
    ALL_EXAMPLES = "mutants-all"


class Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a tree instead of from its file."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name = name
        self._path = path
        self._tree = tree

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """The specification of the one module; None for every other."""
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the tree."""
        module.__file__ = str(self._path)
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)


def register_profiles() -> None:
    """Let hypothesis make the same examples for every mutant, and report the first that fails."""
    phases = (Phase.explicit, Phase.generate)
    thorough = settings(phases=phases, database=None, derandomize=True, deadline=None)
    settings.register_profile(Effort.ALL_EXAMPLES.value, thorough)
    settings.register_profile(Effort.FEW_EXAMPLES.value, thorough, max_examples=_FEW_EXAMPLES)


def run(module: Replaced, tests: Sequence[Path], cpu_seconds: int, effort: Effort) -> tuple[Outcome, float]:
    """Run tests until the first fails.

    Args:
        module: what is replaced.
        tests: files of tests.
        cpu_seconds: processor time after which the run is ended: some mutants never end by themselves.
        effort: of hypothesis.

    Returns:
        How it ended, and the processor time in seconds that it took.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _in_child(module, tests, cpu_seconds, effort)
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    ended = {0: Outcome.PASSED, _NEVER_STARTED: Outcome.NONE}.get(os.waitstatus_to_exitcode(status), Outcome.FAILED)
    return ended, seconds


def _in_child(module: Replaced, tests: Sequence[Path], cpu_seconds: int, effort: Effort) -> int:
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    sys.meta_path.insert(0, module)
    return int(pytest.main([*_OPTIONS, f"--hypothesis-profile={effort.value}", *map(str, tests)]))
