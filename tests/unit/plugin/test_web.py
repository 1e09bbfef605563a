from pathlib import Path

import pytest

from tests.unit.plugin.fake_api import Plugin


@pytest.mark.parametrize("flag", ["--prometheus-token-file", "--prometheus-ca-file"])
def test_files_for_a_prometheus_need_one(flag: str, tmp_path: Path) -> None:
    done = Plugin().run("web", "--no-open", flag, str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert "need --prometheus URL" in done.err
