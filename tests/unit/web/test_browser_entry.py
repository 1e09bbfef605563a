import pytest

from cachemon.web.browser_entry import BrowserEntry

OWN, OTHER = 1000, 1001


def entry() -> BrowserEntry:
    return BrowserEntry(lambda: OWN)


@pytest.mark.parametrize("user", [OWN, None])
def test_a_browser_of_the_same_user_comes_in_once(user: int | None) -> None:
    door = entry()
    assert door.admits(door.path, lambda: user)
    assert not door.admits(door.path, lambda: user)


def test_another_user_who_read_the_command_line_does_not() -> None:
    door = entry()
    assert not door.admits(door.path, lambda: OTHER)
    assert not door.admits(door.path, lambda: OWN)


def test_a_wrong_secret_uses_nothing_up() -> None:
    door = entry()
    assert not door.admits("/open/wrong", lambda: OWN)
    assert door.admits(door.path, lambda: OWN)
