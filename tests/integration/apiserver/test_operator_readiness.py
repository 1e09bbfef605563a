"""What the operator's probes and metrics say while its lists are answered and its watches are not."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from lab.cluster import NAMESPACE, program
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.fault_proxy import WATCHES, FaultProxy
from lab.ports import LOOPBACK, free_ports
from lab.server_process import ServerProcess
from lab.wait import until

NOTICED_SECONDS = 60
GAUGE = "cachemon_operator_watch_unanswered_seconds"


class Operator:
    """The operator behind a proxy that adds faults."""

    def __init__(self, control_plane: ControlPlane, proxy: FaultProxy, folder: Path) -> None:
        self.port, self.health_port = free_ports(2)
        token = control_plane.service_account_token(NAMESPACE, "cachemon-operator")
        flags = [
            f"--kubeconfig={control_plane.kubeconfig('operator-readiness', token, server=proxy.url)}",
            f"--metrics-address={LOOPBACK}:{self.port}",
            "--insecure-metrics=true",
            f"--health-address={LOOPBACK}:{self.health_port}",
        ]
        self.process = ServerProcess([program("cachemon-operator"), *flags], folder / "log")

    def page(self, path: str, port: int) -> str:
        with closing(HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().read().decode()
            except OSError:
                assert self.process.exit_status is None, self.process.log_tail()
                return ""

    def probe(self, path: str) -> str:
        return self.page(path, self.health_port)

    @property
    def unanswered_seconds(self) -> float:
        lines = self.page("/metrics", self.port).splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{GAUGE} ")))


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.url, control_plane.ca_file) as running:
        yield running


@pytest.fixture
def operator(control_plane: ControlPlane, proxy: FaultProxy, tmp_path: Path) -> Iterator[Operator]:
    started = Operator(control_plane, proxy, tmp_path)
    yield started
    started.process.stop(15)


@pytest.mark.timeout(240)
def test_an_operator_whose_watches_are_refused_is_not_ready_and_goes_on(
    operator: Operator, proxy: FaultProxy
) -> None:
    until("the operator to be ready", lambda: operator.probe("/readyz") == "ok\n", seconds=NOTICED_SECONDS)
    proxy.answer(403, "may list, may not watch", where=WATCHES)
    proxy.hang_up()
    until("it not to be ready", lambda: operator.probe("/readyz") == "not ready\n", seconds=NOTICED_SECONDS)
    assert operator.unanswered_seconds > 20
    assert operator.probe("/healthz") == "ok\n"
    assert "may list, may not watch" in operator.process.log.read_text()
    proxy.heal()
    until("it to be ready again", lambda: operator.probe("/readyz") == "ok\n", seconds=NOTICED_SECONDS)
    until("all watches to be answered", lambda: operator.unanswered_seconds == 0, seconds=NOTICED_SECONDS)
