import os
from pathlib import Path

import pytest

from cachemon.kube.private_folder import private_folder
from cachemon.model.errors import InvalidInputError


def test_it_is_for_this_user_alone_and_has_gone_afterwards(tmp_path: Path) -> None:
    place = tmp_path if len(str(tmp_path)) < 70 else Path("/tmp")
    with private_folder({"TMPDIR": str(place)}) as folder:
        assert (folder.parent, folder.stat().st_mode & 0o777) == (place, 0o700)
        (folder / "file").touch()
    assert not folder.exists()


@pytest.mark.parametrize("place", ["/no/such/folder", "/proc", "", "/" + "虚拟机" * 12])
def test_a_place_that_can_not_be_used_is_left_for_the_next(place: str) -> None:
    assert len(place) < 70
    with private_folder({"TMPDIR": place, "XDG_RUNTIME_DIR": "/proc"}) as folder:
        assert folder.parent == Path("/tmp")
        assert len(os.fsencode(folder / "api")) < 104


def test_without_any_place_every_one_is_named_and_what_to_set() -> None:
    folder = private_folder({"TMPDIR": "/proc", "XDG_RUNTIME_DIR": "/no/such"}, usual_place="/proc/self")
    with (
        pytest.raises(InvalidInputError, match=r"\(/proc: .+; /no/such: No such file.+set TMPDIR") as refused,
        folder,
    ):
        pass
    assert "/proc/self: " in str(refused.value)
