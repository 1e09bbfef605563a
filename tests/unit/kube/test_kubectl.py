"""The plugin's way to the API server, with a kubectl that is a script of the test."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.kubectl_proxy import Context, current_context, proxied_api
from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, ObjectName
from cachemon.model.errors import (
    InvalidInputError,
    KubeConflictError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeUnreachableError,
)
from lab.wait import until
from tests.unit.kube.unix_api import Answer, Handler, UnixServer, answer, serving

VM3 = ObjectName("ns", "vm3")


def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    pages = (
        answer(200, {"items": [{"a": 1}], "metadata": {"resourceVersion": "7", "continue": "more"}}),
        answer(200, {"items": [{"a": 2}], "metadata": {"resourceVersion": "7"}}),
    )
    with serving(tmp_path, *pages) as (server, api):
        listing = asyncio.run(api.list(GROUPS, Selector(labels="x=y"), "ns"))
    assert listing.items == [{"a": 1}, {"a": 2}]
    path = "/apis/cachemon.dev/v1alpha1/namespaces/ns/cachemonitorgroups"
    assert [asked[1] for asked in server.asked] == [
        f"{path}?limit=500&labelSelector=x%3Dy",
        f"{path}?limit=500&labelSelector=x%3Dy&continue=more",
    ]


def test_a_write_names_its_manager_and_a_deletion_the_uid(tmp_path: Path) -> None:
    async def story(api: KubectlApi) -> None:
        body = {"metadata": {"name": "vm3", "namespace": "ns"}}
        await api.create(GROUPS, body, field_manager="me", dry_run=True)
        await api.replace(GROUPS, body, field_manager="me")
        await api.delete(GROUPS, VM3, uid="u")

    with serving(tmp_path, *[answer(200, {})] * 3) as (server, api):
        asyncio.run(story(api))
    path = "/apis/cachemon.dev/v1alpha1/namespaces/ns/cachemonitorgroups"
    assert [(method, url) for method, url, _ in server.asked] == [
        ("POST", f"{path}?fieldManager=me&dryRun=All"),
        ("PUT", f"{path}/vm3?fieldManager=me"),
        ("DELETE", f"{path}/vm3"),
    ]
    assert server.asked[2][2]["preconditions"] == {"uid": "u"}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (answer(403, {"message": "no right"}), KubeForbiddenError, "no right"),
        (answer(404, {"message": "not there"}), KubeNotFoundError, "not there"),
        (answer(409, {"message": "changed"}), KubeConflictError, "changed"),
        ((500, {}, b"dial tcp: connection refused\n"), KubeUnreachableError, "dial tcp: connection refused$"),
        ((502, {}, b"<html>"), KubeUnreachableError, "can't ask the API server: <html>"),
        (answer(503, {"message": "away"}), KubeUnreachableError, "503: away"),
        ((200, {}, b"no json"), KubeUnreachableError, "no JSON object"),
        ((200, {}, b"[" * 100_000), KubeUnreachableError, "no JSON object"),
    ],
)
def test_failures_are_named(given: Answer, error: type[Exception], message: str, tmp_path: Path) -> None:
    with serving(tmp_path, given) as (_, api), pytest.raises(error, match=message):
        asyncio.run(api.get(GROUPS, VM3))


def test_a_cluster_without_the_crds_is_distinguished_from_an_empty_one(tmp_path: Path) -> None:
    with (
        serving(tmp_path, (404, {}, b"404 page not found\n")) as (_, api),
        pytest.raises(KubeNotFoundError, match=r"the cluster has no cachemonitorgroups\.cachemon\.dev: .*Install"),
    ):
        asyncio.run(api.list(GROUPS))


@pytest.mark.parametrize("refusals", [0, 3, 10])
def test_a_busy_server_is_asked_again_when_it_wants_to_be(refusals: int, tmp_path: Path) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    busy = answer(429, {"message": "slow down"}, **{"Retry-After": "2"})
    with serving(tmp_path, *[busy] * refusals, answer(200, {"kind": "x"})) as (server, _):
        api = KubectlApi(tmp_path / "api", request_seconds=5, sleep=sleep)
        if refusals < 10:
            assert asyncio.run(api.get(GROUPS, VM3)) == {"kind": "x"}
        else:
            with pytest.raises(KubeThrottledError, match="slow down"):
                asyncio.run(api.get(GROUPS, VM3))
    assert (len(server.asked), waits) == (min(refusals + 1, 10), [2] * min(refusals, 9))


def test_time_is_the_servers(tmp_path: Path) -> None:
    with serving(tmp_path, answer(200, {})) as (_, api):
        asyncio.run(api.get(GROUPS, VM3))
        assert abs(api.server_time() - time.time()) < 5


def test_a_server_that_sends_a_byte_now_and_then_meets_the_limit(tmp_path: Path) -> None:
    class Slow(Handler):
        def answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while not ended.wait(0.02):
                self.wfile.write(b" ")

        do_GET = answer  # noqa: N815

    ended = threading.Event()
    with UnixServer(tmp_path / "api") as server:
        server.RequestHandlerClass = Slow
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(KubeTimeoutError, match=r"within 0\.3 s"):
            asyncio.run(KubectlApi(tmp_path / "api", request_seconds=0.3).get(GROUPS, VM3))
        ended.set()
        server.shutdown()
        thread.join()


def script(folder: Path, text: str) -> Mapping[str, str]:
    """An environment whose kubectl is this text of sh."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


SERVES = 'echo "Starting to serve on x"; '


def play(environment: Mapping[str, str], then: Callable[[], None] = lambda: None, *flags: str) -> None:
    async def story() -> None:
        async with proxied_api(flags, request_seconds=1, environment=environment):
            then()

    asyncio.run(story())


def test_kubectl_gets_the_flags_and_ends_with_us(tmp_path: Path) -> None:
    environment = script(
        tmp_path, f'echo "$@" > {tmp_path}/flags; echo $$ > {tmp_path}/pid; {SERVES} exec sleep 1000'
    )
    play(environment, lambda: None, "--as=jane")
    given = (tmp_path / "flags").read_text().split()
    assert given[0] == "proxy"
    assert given[1].startswith("--unix-socket=")
    assert given[2:] == ["--append-server-path=true", "--as=jane"]
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    assert not Path(given[1].partition("=")[2]).parent.exists()


def test_the_socket_is_in_a_folder_of_this_user_alone(tmp_path: Path) -> None:
    environment = script(tmp_path, f'echo "${{2#*=}}" > {tmp_path}/socket; {SERVES} exec sleep 1000')

    def check_folder() -> None:
        folder = Path((tmp_path / "socket").read_text().strip()).parent
        assert folder.stat().st_mode & 0o777 == 0o700

    play(environment, check_folder)


def test_a_long_tmpdir_is_left_for_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    environment = script(tmp_path, f'echo "${{2#*=}}" > {tmp_path}/socket; {SERVES} exec sleep 1000')
    play({**environment, "TMPDIR": str(long)})
    assert len((tmp_path / "socket").read_text().strip()) < 104


def test_kubectl_ends_also_when_this_program_is_killed(tmp_path: Path) -> None:
    environment = script(tmp_path, f"echo $$ > {tmp_path}/pid; {SERVES} exec sleep 1000")
    child = os.fork()
    if child == 0:
        play(environment, lambda: os.kill(os.getpid(), 9))
        os._exit(1)
    os.waitpid(child, 0)
    pid = (tmp_path / "pid").read_text().strip()
    until("kubectl to end", lambda: not Path(f"/proc/{pid}/exe").is_symlink() or state(pid) == "Z")


def state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_what_kubectl_refuses_is_reported_in_its_words(tmp_path: Path) -> None:
    environment = script(tmp_path, "echo 'error: context \"z\" does not exist' >&2; exit 1")
    with pytest.raises(InvalidInputError, match=r'^context "z" does not exist$'):
        play(environment)


def test_the_error_says_that_kubectl_ended_without_output(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="ended with code 3"):
        play(script(tmp_path, "exit 3"))


def test_without_kubectl_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(InvalidInputError, match=r"kubectl is not on the PATH.*install kubectl"):
        play({"PATH": str(tmp_path)})


def test_what_a_login_asks_is_shown_and_what_kubectl_logs_is_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = "E1129 22:20:24.150994    9141 proxy_server.go:147] Error while proxying request"
    play(
        script(
            tmp_path, f"printf 'open https://login.example: ' >&2; echo >&2; echo '{log}' >&2; {SERVES} sleep 0.01"
        )
    )
    assert capfd.readouterr().err == "open https://login.example: \n"


@pytest.mark.parametrize(
    ("view", "namespace"),
    [
        ({"contexts": [{"context": {"namespace": "ns1"}}]}, "ns1"),
        ({"contexts": [{"context": {}}]}, "default"),
        ({"contexts": None}, "default"),
    ],
)
def test_the_namespace_is_that_of_the_context(view: Any, namespace: str, tmp_path: Path) -> None:
    environment = script(tmp_path, f"echo '{json.dumps(view)}'")
    assert asyncio.run(current_context((), environment)).namespace == namespace


def test_without_a_context_the_error_says_how_to_choose_one(tmp_path: Path) -> None:
    environment = script(tmp_path, "echo 'error: current-context must exist in order to minify' >&2; exit 1")
    with pytest.raises(InvalidInputError, match="no context is chosen: set KUBECONFIG, or choose one with --context"):
        asyncio.run(current_context((), environment))
    assert asyncio.run(current_context(("--server=https://x",), environment)) == Context("default")
