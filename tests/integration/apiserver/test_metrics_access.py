"""Who reads /metrics of the real programs, as the real API server judges their tokens; and with which certificate."""

import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from cachemon.daemon.self_signed import make_certificate
from lab.cluster import NAMESPACE, program
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.fault_proxy import FaultProxy
from lab.ports import LOOPBACK, free_ports
from lab.server_process import ServerProcess
from lab.wait import until

SCRAPER = "cachemon-scraper"
BELIEVED_SECONDS = 62
"""An answer of the API server is believed for a minute without asking it again."""
ONE_SERIES = {
    "cachemon-agent": b"cachemon_agent_samples_total",
    "cachemon-operator": b"cachemon_operator_relists_total",
}


class Program:
    """One that serves by HTTPS, and reaches the API server through a proxy."""

    def __init__(self, control_plane: ControlPlane, proxy: FaultProxy, name: str, folder: Path) -> None:
        self.name = name
        self.port, self.health_port = free_ports(2)
        self.certificates = folder / "tls"
        self.certificates.mkdir()
        self.write_certificate("first.example.com")
        control_plane.add_node("metrics-access")
        pod = control_plane.add_agent_pod("metrics-access", service_account=name)
        token = control_plane.service_account_token(NAMESPACE, name, bound_pod=pod)
        flags = [
            f"--kubeconfig={control_plane.kubeconfig(f'{name}-metrics-access', token, server=proxy.url)}",
            f"--metrics-address={LOOPBACK}:{self.port}",
            f"--health-address={LOOPBACK}:{self.health_port}",
            f"--metrics-tls-directory={self.certificates}",
        ]
        if name == "cachemon-agent":
            flags += ["--node-name=metrics-access", f"--resctrl={folder}"]
        self.process = ServerProcess([program(name), *flags], folder / "log")
        until("its health", self.is_well, seconds=60)

    def is_well(self) -> bool:
        assert self.process.exit_status is None, self.process.log_tail()
        try:
            return self.probe() == (200, b"ok\n")
        except OSError:
            return False

    def probe(self, path: str = "/healthz") -> tuple[int, bytes]:
        with closing(HTTPConnection(LOOPBACK, self.health_port, timeout=10)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def scrape(self, token: str = "") -> tuple[int, bytes]:
        """Status and page, as Prometheus would get it."""
        context = ssl._create_unverified_context()
        with closing(HTTPSConnection(LOOPBACK, self.port, timeout=20, context=context)) as connection:
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def guess(self, token: str = "") -> int | None:
        """Status for a token, or for one of no account; None when there were too many connections just before."""
        try:
            return self.scrape(token or secrets.token_hex(16))[0]
        except (ConnectionError, ssl.SSLError):
            return None

    def answers(self, token: str, status: int) -> bool:
        """Whether it answers that now; 503 means that it has not been able to ask yet."""
        answered = self.scrape(token)[0]
        assert answered in (status, 503)
        return answered == status

    def write_certificate(self, name: str) -> None:
        """As the kubelet does: files change one after the other."""
        key, begin, certificate = make_certificate([name], datetime.now(UTC)).partition(b"-----BEGIN CERTIFICATE")
        (self.certificates / "tls.key").write_bytes(key)
        (self.certificates / "tls.crt").write_bytes(begin + certificate)

    def serves(self, name: str) -> bool:
        try:
            pem = ssl.get_server_certificate((LOOPBACK, self.port))
        except (ConnectionError, ssl.SSLError):  # too many connections just before
            return False
        return name.encode() in ssl.PEM_cert_to_DER_cert(pem)

    def complains_of_its_certificate(self) -> bool:
        return "keeping the last valid certificate" in self.process.log.read_text()


@pytest.fixture(scope="module")
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.url, control_plane.ca_file) as running:
        yield running


@pytest.fixture(scope="module")
def programs(
    control_plane: ControlPlane, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Program]]:
    """Both: what takes a minute or an interval, a test awaits for both at once."""
    with ExitStack() as stack:
        found = {}
        for name in ONE_SERIES:
            found[name] = Program(control_plane, proxy, name, tmp_path_factory.mktemp(name))
            stack.callback(found[name].process.stop, 10)
        yield found


@pytest.fixture(params=ONE_SERIES)
def running(request: pytest.FixtureRequest, programs: dict[str, Program]) -> Program:
    return programs[request.param]


@pytest.fixture
def scraper(control_plane: ControlPlane) -> str:
    """A new token of the account that the chart makes for Prometheus."""
    return control_plane.service_account_token(NAMESPACE, SCRAPER)


@pytest.fixture
def stranger(control_plane: ControlPlane, namespace: str) -> str:
    """The token of a tenant's service account."""
    control_plane.add_service_account(namespace, "tenant")
    return control_plane.service_account_token(namespace, "tenant")


def test_the_page_is_for_tokens_with_the_right_and_for_nobody_else(
    running: Program, scraper: str, stranger: str
) -> None:
    until("the scraper's right", lambda: running.answers(scraper, 200))
    status, page = running.scrape(scraper)
    assert (status, ONE_SERIES[running.name] in page) == (200, True)
    for token, wanted in (("", 401), ("bad", 401), (secrets.token_hex(4000), 401), (stranger, 403)):
        status, page = running.scrape(token)
        assert (status, b"cachemon_" in page) == (wanted, False), token[:5]
    assert running.probe() == (200, b"ok\n")
    log = running.process.log.read_text()
    assert scraper not in log
    assert stranger not in log


def test_plain_http_gets_nothing(running: Program) -> None:
    with closing(HTTPConnection(LOOPBACK, running.port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        with pytest.raises(ConnectionError):
            connection.getresponse()


@pytest.mark.timeout(240)
def test_scrapes_survive_an_api_server_that_is_away_and_strangers_do_not_get_in_meanwhile(
    programs: dict[str, Program], proxy: FaultProxy, scraper: str, stranger: str
) -> None:
    both = programs.values()
    until("the scraper's right", lambda: all(it.answers(scraper, 200) for it in both))
    proxy.refuse()
    try:
        away_at = time.monotonic()

        def have_answered_for_long() -> bool:
            for it in both:
                assert it.scrape(scraper)[0] == 200, it.name
            return time.monotonic() - away_at > BELIEVED_SECONDS

        until("scrapes beyond a minute", have_answered_for_long, seconds=2 * BELIEVED_SECONDS, poll_seconds=0.5)
        for it in both:
            assert it.scrape(stranger)[0] == 503, it.name
    finally:
        proxy.heal()
    until("the API server's word", lambda: all(it.answers(stranger, 403) for it in both), seconds=60)


def test_a_flood_of_random_tokens_costs_the_api_server_little(
    control_plane: ControlPlane, running: Program, scraper: str
) -> None:
    until("the scraper's right", lambda: running.answers(scraper, 200))
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    before, began = len(control_plane.audit_events(reviews)), time.monotonic()
    answers = [running.guess() for _ in range(200)]
    seconds = time.monotonic() - began
    assert set(answers) - {None} == {401, 503}
    assert len(control_plane.audit_events(reviews)) - before <= 2 * (
        10 + seconds + 2
    )  # an event when it comes, one when it ends
    until("the scraper's turn", lambda: running.guess(scraper) == 200)


def test_a_certificate_that_is_renewed_on_disk_is_served_without_a_restart(programs: dict[str, Program]) -> None:
    both = programs.values()
    until("the first", lambda: all(it.serves("first.example.com") for it in both))
    for it in both:
        it.write_certificate("second.example.com")
    until("the second", lambda: all(it.serves("second.example.com") for it in both), seconds=60)
    for it in both:
        (it.certificates / "tls.crt").write_text("half of a fi")
    until("complaints", lambda: all(it.complains_of_its_certificate() for it in both), seconds=60)
    until("the second, still", lambda: all(it.serves("second.example.com") for it in both))
    assert {it.process.exit_status for it in both} == {None}
