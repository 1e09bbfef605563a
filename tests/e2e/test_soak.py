import shutil
import tempfile
from pathlib import Path

import pytest

from lab.speed import measure
from tests.soak import tenants
from tests.soak.soak import run

SEED = 5
SECONDS = 60
ACTIONS = 35
"""With this seed there are some faults of the API server among them."""


@pytest.mark.timeout(SECONDS + 240)
def test_a_minute_of_random_lives_ends_and_faults_comes_right_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """As `make soak` for a quarter of an hour; the same seed gives the same actions again."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-soak-"))  # stays after a failure
    report = run(folder, SECONDS, SEED, lambda _: None, least_actions=ACTIONS)
    with capsys.disabled():
        print(f"\nsoak with seed {SEED}: {report}")
    assert report.actions >= ACTIONS
    assert report.compared > 0
    assert report.struck > 0
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # the attacker's heavy objects
def test_for_a_minute_one_namespace_does_all_it_can_and_the_others_lose_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As `make soak` for half an hour, with a thirtieth of the objects.

    It takes longer on a slow machine, where its periods are longer.
    """
    folder = Path(tempfile.mkdtemp(prefix="cachemon-soak-"))  # stays after a failure
    summary = tenants.run(folder, round(SECONDS * (1 + measure()) / 2), SEED, lambda _: None, divisor=30)
    with capsys.disabled():
        print("\n".join(["", f"soak of tenants with seed {SEED}:", *summary]))
    shutil.rmtree(folder, ignore_errors=True)
