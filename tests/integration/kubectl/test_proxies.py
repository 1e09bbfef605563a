"""Agent and operator go through a proxy where kubectl does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachemon.kube.proxies import proxy_of_environment
from tests.integration.kubectl.certificates import make_certificates
from tests.integration.kubectl.comparison import compare
from tests.integration.kubectl.recording_server import Network, network
from tests.integration.kubectl.rows import ROWS

PROXIED = [row for row in ROWS if "PROXY" in row.upper() and not row.startswith("proxy-url")]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(make_certificates(tmp_path_factory.mktemp("recording"))) as running:
        yield running


@pytest.mark.parametrize("row", PROXIED)
def test_the_environments_proxy_is_asked_where_kubectl_asks_it(row: str, recording: Network, tmp_path: Path) -> None:
    setting = ROWS[row](recording, tmp_path)
    (cluster,) = setting.files["config"]["clusters"]
    by_kubectl, _, _ = compare(recording, row, tmp_path)
    used = proxy_of_environment(cluster["cluster"]["server"], setting.environment)
    assert (used is not None) == bool(by_kubectl.asked_of_proxy)
