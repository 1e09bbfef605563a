import ast
from pathlib import Path

import pytest

from tools.mutants.__main__ import tests_of as files_of
from tools.mutants.operators import mutants_of
from tools.mutants.trial import Effort, Outcome, Replaced, register_profiles, run


def changed(source: str) -> set[str]:
    """The mutants of one line of code."""
    return {ast.unparse(mutant.tree) for mutant in mutants_of(source)}


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a is None", {"a is not None"}),
        ("a in b and c", {"a not in b and c", "a in b or c"}),
        ("a * 2", {"a // 2", "a * 3"}),
        ("a += True", {"a -= True", "a += False"}),
        ("min(a, key=len)", {"max(a, key=len)"}),
        ("not a", {"not not a"}),
        ("f(a=1)", {"f(a=2)"}),
        ("x if a else y", {"x if not a else y"}),
        ("if a == 1:\n    f()", {"if a != 1:\n    f()", "if a == 2:\n    f()", "if a == 1:\n    pass"}),
    ],
)
def test_each_mutant_has_one_change(source: str, mutants: set[str]) -> None:
    assert changed(source) == mutants


@pytest.mark.parametrize(
    "source",
    [
        "a: dict[Literal[1], str | None]",
        "def f(a: Literal[2]) -> Literal[3]:\n    return a",
        "@dataclass(frozen=True)\nclass A:\n    '''Text.'''",
        "Reading = int | Missing",
        "raise ValueError(1 + a)",
        "'a' + b",
        "f'{a}' + b",
    ],
)
def test_what_is_no_behaviour_stays(source: str) -> None:
    assert changed(source) == set()


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    file = tmp_path / "test_example.py"
    file.write_text("from mutated_example import double\n\ndef test_double():\n    assert double(3) == 6\n")
    return file


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return a * 2", Outcome.PASSED),
        ("return a + 2", Outcome.FAILED),
        ("raise SystemExit", Outcome.FAILED),
        ("\n    while True: pass", Outcome.FAILED),
    ],
)
def test_a_mutant_dies_by_a_test_that_fails_or_never_ends(tests: Path, body: str, outcome: Outcome) -> None:
    register_profiles()
    module = Replaced("mutated_example", tests.with_name("mutated_example.py"), ast.parse(f"def double(a): {body}"))
    assert run(module, [tests], cpu_seconds=2, effort=Effort.FEW_EXAMPLES)[0] is outcome


def test_the_file_of_a_modules_name_is_the_first_that_is_run() -> None:
    found = files_of("cachemon.model.cells")
    assert found[0].name == "test_cells.py"
    assert "test_plan.py" in {path.name for path in found[1:]}
