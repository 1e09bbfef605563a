from collections.abc import Sequence
from itertools import chain, repeat

import pytest

from cachemon.agent.farewell import is_uninstalled
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from tests.unit.controller import virtual_time

FORBIDDEN = KubeForbiddenError("our role is gone")
NOT_FOUND = KubeNotFoundError("our kinds are gone")
UNAUTHORIZED = KubeUnauthorizedError("our service account is gone")
AWAY = KubeUnreachableError("no connection")


def judged(answers: Sequence[KubeError | None], last: KubeError | None) -> bool:
    """What is made of these answers, one every 10 ms of virtual time, `last` for ever after."""
    coming = chain(answers, repeat(last))

    async def ask() -> None:
        answer = next(coming)
        if answer is not None:
            raise answer

    return virtual_time.run(is_uninstalled(ask, within_seconds=0.2, for_seconds=0.1, pause_seconds=0.01))


@pytest.mark.parametrize("refusal", [FORBIDDEN, NOT_FOUND, UNAUTHORIZED])
def test_rights_or_kinds_that_are_taken_away_mean_an_uninstall(refusal: KubeError) -> None:
    assert judged([], refusal)
    assert judged([None] * 3, refusal)
    assert judged([AWAY] * 3, refusal)
    assert judged([FORBIDDEN], refusal)


def test_an_upgrade_takes_nothing_away() -> None:
    assert not judged([], None)


def test_an_api_server_that_is_away_is_no_reason() -> None:
    assert not judged([], AWAY)


def test_one_that_starts_and_refuses_for_a_moment_is_no_reason() -> None:
    assert not judged([FORBIDDEN] * 3, None)
    assert not judged([FORBIDDEN] * 3 + [AWAY], None)
