from pathlib import Path

import pytest

from tests.unit.plugin.fake_api import Plugin


@pytest.mark.parametrize("flag", ["--prometheus-token-file", "--prometheus-ca-file", "--prometheus-cluster"])
def test_options_for_a_prometheus_need_one(flag: str, tmp_path: Path) -> None:
    done = Plugin().run("web", "--no-open", flag, str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert "the other options of Prometheus need --prometheus URL" in done.err
