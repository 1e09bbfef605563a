import os
from pathlib import Path

import pytest

from cachemon.host.own_directory import own_directory
from cachemon.model.errors import InvalidInputError


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def environment(tmp_path: Path, runtime: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path)}


def test_the_users_runtime_directory_is_taken(environment: dict[str, str], runtime: Path) -> None:
    assert own_directory(environment) == runtime


@pytest.mark.parametrize("broken", ["unset", "missing", "open", "another's", "link", "file", "relative"])
def test_one_that_is_not_the_users_alone_is_not(
    environment: dict[str, str], runtime: Path, tmp_path: Path, broken: str
) -> None:
    uid = os.geteuid()
    match broken:
        case "unset":
            del environment["XDG_RUNTIME_DIR"]
        case "missing":
            runtime.rmdir()
        case "open":
            runtime.chmod(0o750)
        case "another's":
            uid += 1
            with pytest.raises(InvalidInputError, match="belongs to another user"):
                own_directory(environment, uid=uid)
            return
        case "link":
            runtime.rename(tmp_path / "elsewhere")
            runtime.symlink_to(tmp_path / "elsewhere")
        case "file":
            runtime.rmdir()
            runtime.touch(mode=0o600)
        case "relative":
            environment["XDG_RUNTIME_DIR"] = "run"
    own = own_directory(environment, uid=uid)
    assert own == tmp_path / ".cachemon"
    assert own.stat().st_mode & 0o777 == 0o700
    assert own_directory(environment, uid=uid) == own


@pytest.mark.parametrize("broken", ["open", "link"])
def test_a_directory_at_home_that_others_reach_is_refused(tmp_path: Path, broken: str) -> None:
    own = tmp_path / ".cachemon"
    if broken == "open":
        own.mkdir()
        own.chmod(0o755)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match=r"\.cachemon .*; remove it"):
        own_directory({"HOME": str(tmp_path)})
