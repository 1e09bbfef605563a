import gc
import http.client
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from kubernetes.client import ApiException, CoreV1Api
from urllib3.exceptions import HTTPError

from lab.kubernetes.api_client import api_client
from lab.kubernetes.cluster_api import ClusterApi
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.fault_proxy import FaultProxy
from lab.ports import LOOPBACK
from lab.speed import allowance
from lab.wait import until

NAMESPACES = "/api/v1/namespaces"
WATCH = f"{NAMESPACES}?watch=true&timeoutSeconds=20"


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.url, control_plane.ca_file) as running:
        yield running


@pytest.fixture
def through(control_plane: ControlPlane, proxy: FaultProxy) -> Iterator[CoreV1Api]:
    """A client that sends every request once, through the proxy."""
    with closing(api_client(proxy.url, control_plane.ca_file, retry=False)) as client:
        client.set_default_header("Authorization", f"Bearer {control_plane.admin_token}")
        yield CoreV1Api(client)


@pytest.fixture
def api(control_plane: ControlPlane, proxy: FaultProxy, tmp_path: Path) -> Iterator[ClusterApi]:
    with closing(ClusterApi(tmp_path, proxy.url, control_plane.ca_file, control_plane.admin_token)) as api:
        yield api


@contextmanager
def watch(control_plane: ControlPlane, proxy: FaultProxy) -> Iterator[http.client.HTTPResponse]:
    tls = ssl.create_default_context(cafile=str(control_plane.ca_file))
    port = int(proxy.url.rpartition(":")[2])
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=allowance(2), context=tls)
    with closing(connection):
        connection.request("GET", WATCH, headers={"Authorization": f"Bearer {control_plane.admin_token}"})
        with connection.getresponse() as response:
            yield response


def until_silence(response: http.client.HTTPResponse) -> bytes:
    heard = b""
    with suppress(TimeoutError):
        while line := response.readline():
            heard += line
    return heard


def test_without_faults_everything_passes_as_it_is(control_plane: ControlPlane, api: ClusterApi) -> None:
    made = api.request("POST", NAMESPACES, {"metadata": {"generateName": "proxied-", "annotations": {"a": "ü"}}})
    path = f"{NAMESPACES}/{made['metadata']['name']}"
    assert api.request("GET", path) == control_plane.request("GET", path)
    with pytest.raises(ApiException) as refused:
        api.request("GET", f"{NAMESPACES}/absent")
    assert refused.value.status == 404


def test_a_fault_strikes_what_it_is_for_and_so_often_as_it_was_asked_for(
    proxy: FaultProxy, through: CoreV1Api
) -> None:
    proxy.throttle(7, where=r"^GET .*/namespaces$", times=1)
    through.list_node()
    with pytest.raises(ApiException) as refused:
        through.list_namespace()
    assert refused.value.status == 429
    through.list_namespace()
    assert proxy.struck == 1
    assert [line for _, line in proxy.requests] == ["GET /api/v1/nodes", f"GET {NAMESPACES}", f"GET {NAMESPACES}"]


def test_connections_are_refused_and_cut_until_it_is_healed(proxy: FaultProxy, through: CoreV1Api) -> None:
    proxy.refuse()
    with pytest.raises(HTTPError, match="refused"):
        through.list_namespace()
    proxy.heal()
    proxy.cut()
    with pytest.raises((HTTPError, ApiException)) as cut:
        through.list_namespace()
    assert not getattr(cut.value, "status", 0)  # an error of TLS, for the package kubernetes, is one of the API
    proxy.heal()
    through.list_namespace()


def test_a_request_is_held_until_all_is_healed(proxy: FaultProxy, through: CoreV1Api) -> None:
    proxy.hold(where="/namespaces")
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(through.list_namespace)
        until("the request", lambda: proxy.struck == 1)
        through.list_node()
        assert not answer.done()
        proxy.heal()
        assert answer.result(allowance(10)).kind == "NamespaceList"


def test_a_stalled_watch_says_nothing_more_and_a_new_one_does(control_plane: ControlPlane, proxy: FaultProxy) -> None:
    with watch(control_plane, proxy) as stalled:
        assert json.loads(stalled.readline())["type"] == "ADDED"
        proxy.stall_watches()
        proxy.heal()
        made = control_plane.request("POST", NAMESPACES, {"metadata": {"generateName": "unheard-"}})
        assert made["metadata"]["name"].encode() not in until_silence(stalled)
    assert proxy.struck
    with watch(control_plane, proxy) as fresh:
        assert made["metadata"]["name"].encode() in until_silence(fresh)


def test_a_watch_can_end_with_an_error(control_plane: ControlPlane, proxy: FaultProxy) -> None:
    proxy.end_watches(410)
    with watch(control_plane, proxy) as ended:
        event = json.loads(ended.readline())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_a_proxy_that_ends_while_watches_run_leaves_no_socket(control_plane: ControlPlane) -> None:
    with ExitStack() as watches:
        with FaultProxy(control_plane.url, control_plane.ca_file) as proxy:
            for _ in range(8):
                assert watches.enter_context(watch(control_plane, proxy)).readline()
        gc.collect()  # a socket that is left open says so here, and pytest makes an error of it


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_young_server_can_not_answer_yet_is_asked_again(
    control_plane: ControlPlane, proxy: FaultProxy, api: ClusterApi, status: int
) -> None:
    proxy.answer(status, "storage is (re)initializing", times=2)
    made = api.request("POST", NAMESPACES, {"metadata": {"generateName": "young-"}})
    assert control_plane.request("GET", f"{NAMESPACES}/{made['metadata']['name']}")
    assert [line for _, line in proxy.requests] == [f"POST {NAMESPACES}"] * 3


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 422, 500])
def test_what_a_server_refuses_is_not_asked_again(proxy: FaultProxy, api: ClusterApi, status: int) -> None:
    proxy.answer(status, times=1)
    with pytest.raises(ApiException) as refused:
        api.request("GET", NAMESPACES)
    assert refused.value.status == status
    assert proxy.struck == len(proxy.requests) == 1
