"""Same kubeconfig, same environment, same flags: what arrives at the server is what kubectl would send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kubectl.certificates import make_certificates
from tests.integration.kubectl.comparison import compare
from tests.integration.kubectl.recording_server import Network, network
from tests.integration.kubectl.rows import ROWS


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(make_certificates(tmp_path_factory.mktemp("recording"))) as running:
        yield running


@pytest.mark.parametrize("row", ROWS)
def test_the_plugin_asks_as_kubectl_does(row: str, recording: Network, tmp_path: Path) -> None:
    by_kubectl, by_plugin, said = compare(recording, row, tmp_path)
    assert by_plugin == by_kubectl, said
    if not by_plugin.succeeded:
        assert said.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in said


def test_some_settings_lead_to_the_server_and_some_do_not() -> None:
    assert len(ROWS) >= 60
