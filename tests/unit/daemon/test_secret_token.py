import asyncio
from pathlib import Path

import pytest

from cachemon.daemon.secret_token import SecretToken
from cachemon.model.access import Access
from cachemon.model.errors import InvalidInputError

FIRST, SECOND = "0123456789abcdef-first", "0123456789abcdef-second"


def judge(token: SecretToken, text: str) -> Access | None:
    return asyncio.run(token.judge(text, "anybody"))


def test_the_token_of_the_file_is_allowed_and_a_new_one_in_it_takes_its_place(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [100.0]
    path.write_text(f"{FIRST}\n# a comment\n")
    token = SecretToken(path, lambda: now[0])
    assert judge(token, FIRST) is Access.ALLOWED
    assert {judge(token, text) for text in ("", SECOND, FIRST[:-1], "\udcff")} == {Access.UNAUTHENTICATED}
    path.write_text(SECOND)
    now[0] += 11
    assert judge(token, SECOND) is Access.ALLOWED
    assert judge(token, FIRST) is Access.UNAUTHENTICATED
    path.unlink()
    now[0] += 11
    assert judge(token, SECOND) is None


@pytest.mark.parametrize("text", ["", "short", "\n0123456789abcdef-first", None])
def test_a_file_without_a_secret_is_the_settings_fault(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidInputError, match=str(path)):
        SecretToken(path)
