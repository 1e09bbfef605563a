import subprocess
from pathlib import Path

import pytest

from lab.repository import REPOSITORY
from tools.mutants import copy_checkout, try_mutants_of
from tools.mutants import tests_of as files_of

MODULE = "def is_larger(a: int, b: int) -> bool:\n    return a > b\n"
TEST = """\
from cachemon.model.sizes import is_larger


def test_which_is_larger() -> None:
    assert (is_larger(1, 2), is_larger(2, 1)) == (False, True)
"""


def copy_with(folder: Path, test: str = TEST) -> Path:
    """A checkout of one module and one file of tests."""
    package, tests = folder / "operator/cachemon/model", folder / "tests/unit/model"
    for made in (package, tests):
        made.mkdir(parents=True)
    for part in (package, package.parent):
        (part / "__init__.py").touch()
    (package / "sizes.py").write_text(MODULE)
    (tests / "test_sizes.py").write_text(test)
    return folder


@pytest.mark.timeout(600)
def test_a_mutant_that_no_test_notices_is_reported_and_one_that_a_test_notices_is_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert try_mutants_of(copy_with(tmp_path), "model/sizes")
    report = capfd.readouterr().out
    assert "+    return a >= b" in report  # of equal numbers neither is asked
    assert "+    return a < b" not in report


def test_a_module_whose_tests_fail_anyway_is_refused(tmp_path: Path) -> None:
    assert not try_mutants_of(copy_with(tmp_path, TEST.replace("True", "False")), "model/sizes")


def test_the_tests_of_a_module_import_it_and_those_of_its_name_come_first() -> None:
    found = files_of("model/cells", REPOSITORY)
    assert found[0] == "tests/unit/model/test_cells.py"
    assert len(found) > 1


def test_the_copy_has_what_git_knows_of_the_checkout(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files"], capture_output=True, text=True, check=True)
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()}
