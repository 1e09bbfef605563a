import subprocess
import sys
from pathlib import Path

import pytest

from lab.repository import REPOSITORY


@pytest.mark.parametrize("package", ["cachemon", "resctrl_emulator", "lab"])
def test_programs_that_a_test_starts_are_those_of_this_checkout(package: str, tmp_path: Path) -> None:
    code = f"import {package}; print({package}.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(REPOSITORY)
