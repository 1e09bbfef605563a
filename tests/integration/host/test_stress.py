"""Random lives, ends and faults; `make soak` does the same for minutes."""

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from tests.integration.host.scene import Scene
from tests.soak.host import run

SEED = 3
ACTIONS = 40


def test_whatever_is_killed_at_whatever_moment_comes_right_and_every_figure_is_that_of_the_books(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(scene, lambda done: done < ACTIONS, SEED, lambda _: None)
    with capsys.disabled():
        print(f"\nhost's soak with seed {SEED}: {report}")
    assert report.actions == ACTIONS
    assert report.figures > 10
