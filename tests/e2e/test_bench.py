import pytest

from tests.bench.__main__ import main


def test_the_bench_of_starts_tells_when_threads_are_monitored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent.monitored"], divisor=50) == 0
    about, *figures = capsys.readouterr().out.splitlines()
    assert about.startswith("# Time from `cont`")
    assert [figure.split()[1] for figure in figures] == [f"agent.monitored_after_ms_p{share}" for share in (50, 99)]
    p50, p99 = (float(figure.split()[2]) for figure in figures)
    assert 0 <= p50 <= p99
    assert {figure.split()[3] for figure in figures} == {"ms"}
