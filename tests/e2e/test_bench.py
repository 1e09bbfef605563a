import pytest

from tests.bench.__main__ import main
from tests.bench.bench_saturated import REQUESTS
from tests.bench.bench_tenants import GOALS


def test_the_bench_of_starts_shows_when_threads_are_monitored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent.monitored"], divisor=50) == 0
    about, *figures = capsys.readouterr().out.splitlines()
    assert about.startswith("# Time from `cont`")
    assert [figure.split()[1] for figure in figures] == [f"agent.monitored_after_ms_p{share}" for share in (50, 99)]
    p50, p99 = (float(figure.split()[2]) for figure in figures)
    assert 0 <= p50 <= p99
    assert {figure.split()[3] for figure in figures} == {"ms"}


@pytest.mark.timeout(600)
def test_the_bench_of_tenants_shows_what_one_can_cost_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tenants"], divisor=100) == 0
    _, *figures = capsys.readouterr().out.splitlines()
    found = {figure.split()[1]: float(figure.split()[2]) for figure in figures}
    assert GOALS.keys() <= found.keys()
    assert all(value >= 0 for value in found.values())
    assert found["tenants.pages_without_others"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bench_of_a_saturated_node_has_every_figure_of_every_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["saturated"], divisor=8) == 0
    _, *figures = capsys.readouterr().out.splitlines()
    found = {figure.split()[1]: float(figure.split()[2]) for figure in figures}
    kinds = (
        "monitored_after_ms_p50",
        "monitored_after_ms_p99",
        "state_age_s",
        "figures_age_s",
        "agent_cpu",
    )
    assert {f"saturated.{kind}{suffix}" for kind in kinds for suffix in ("", *(f"_{it}" for it in REQUESTS))} == {
        *found
    }
    assert all(value >= 0 for value in found.values())
