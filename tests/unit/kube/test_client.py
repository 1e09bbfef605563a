import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cachemon.kube.client import KubeClient, Selector, WatchEvent
from cachemon.kube.credentials import Credentials
from cachemon.kube.login import TokenFile
from cachemon.model.api import GROUPS, NODES, PODS, ObjectName
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeGoneError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeTooLargeError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from lab.speed import allowance
from tests.unit.kube.api_server import answer, failure, make_object, serving

VM3 = ObjectName("ns", "vm3")


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_an_object_is_got_with_the_token_and_our_name() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(answer(200, make_object("vm3", 7)))
            assert await client.get(GROUPS, VM3) == make_object("vm3", 7)
            method, path, _, headers, _ = server.requests[0]
            assert (method, path) == ("GET", "/apis/cachemon.dev/v1alpha1/namespaces/ns/cachemonitorgroups/vm3")
            assert headers["Authorization"] == "Bearer secret"
            assert headers["User-Agent"].startswith("cachemon/")

    play(story())


def test_kinds_of_a_group_are_found_by_discovery_without_their_subresources() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers += [answer(200, {"resources": [{"name": "as"}, {"name": "as/status"}, {"name": "bs"}]})]
            server.answers += [failure(404, "the server could not find the requested resource")]
            assert await client.served("a.example/v1") == {"as", "bs"}
            assert await client.served("a.example/v2") == set()
            assert [path for _, path, *_ in server.requests] == ["/apis/a.example/v1", "/apis/a.example/v2"]

    play(story())


@pytest.mark.parametrize(
    ("resource", "namespace", "path"),
    [
        (PODS, "", "/api/v1/pods"),
        (PODS, "ns", "/api/v1/namespaces/ns/pods"),
        (NODES, "", "/apis/cachemon.dev/v1alpha1/cachemonitornodes"),
    ],
)
def test_a_list_is_asked_for_where_the_resource_is(resource: Any, namespace: str, path: str) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            await client.list(resource, Selector("status.nodeName=n", "a=b"), namespace, keep=dict)
            assert server.requests[0][1] == path
            assert server.lists[0] == {"limit": "20", "fieldSelector": "status.nodeName=n", "labelSelector": "a=b"}

    play(story())


def test_a_list_in_pages_is_put_together() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            first = {"items": [make_object("a", 1)], "metadata": {"resourceVersion": "9", "continue": "more"}}
            last = {"items": [make_object("b", 2)], "metadata": {"resourceVersion": "10"}}
            server.answers += [answer(200, first), answer(200, last)]
            listing = await client.list(GROUPS, keep=dict)
            assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
            assert listing.resource_version == "10"
            assert server.requests[1][2]["continue"] == "more"

    play(story())


def test_an_object_is_applied_by_our_manager_with_force() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(answer(200, make_object("vm3", 7)))
            body = {"metadata": {"name": "vm3", "namespace": "ns"}, "spec": {"vmiName": "vm3"}}
            assert await client.apply(GROUPS, body, field_manager="cachemon-operator") == make_object("vm3", 7)
            method, path, query, headers, sent = server.requests[0]
            assert (method, path) == ("PATCH", "/apis/cachemon.dev/v1alpha1/namespaces/ns/cachemonitorgroups/vm3")
            assert query == {"fieldManager": "cachemon-operator", "force": "true"}
            assert headers["Content-Type"] == "application/apply-patch+yaml"
            assert json.loads(sent) == body

    play(story())


def test_a_delete_names_the_very_object() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers += [answer(200, {"kind": "Status"}), failure(409, "the UID in the precondition")]
            await client.delete(GROUPS, VM3, uid="u-1")
            method, path, _, _, sent = server.requests[0]
            assert (method, path.endswith("/namespaces/ns/cachemonitorgroups/vm3")) == ("DELETE", True)
            assert json.loads(sent)["preconditions"] == {"uid": "u-1"}
            with pytest.raises(KubeConflictError):
                await client.delete(GROUPS, VM3, uid="u-2")

    play(story())


def test_of_a_long_list_only_what_is_kept_stays_in_memory() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.put("a", spec={"large": "x"})
            listing = await client.list(GROUPS, keep=lambda obj: {"metadata": obj["metadata"]})
            assert [list(item) for item in listing.items] == [["metadata"]]

    play(story())


def test_a_list_of_names_asks_the_server_to_leave_the_rest_out() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            await client.list(GROUPS, metadata_only=True, keep=dict)
            _, _, _, headers, _ = server.requests[0]
            assert headers["Accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    play(story())


def test_a_status_is_applied_by_our_manager_with_force() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(answer(200, {}))
            await client.apply_status(GROUPS, VM3, {"observedTime": "t"}, field_manager="cachemon-agent")
            method, path, query, headers, body = server.requests[0]
            assert (method, path.endswith("/cachemonitorgroups/vm3/status")) == ("PATCH", True)
            assert query == {"fieldManager": "cachemon-agent", "force": "true"}
            assert headers["Content-Type"] == "application/apply-patch+yaml"
            assert json.loads(body) == {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorGroup",
                "metadata": {"name": "vm3", "namespace": "ns"},
                "status": {"observedTime": "t"},
            }

    play(story())


def test_who_wants_no_object_back_gets_its_metadata_at_most() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers += [answer(200, {}), answer(200, {}), failure(404, "no such group")]
            await client.apply_status(GROUPS, VM3, {"observedTime": "t"}, field_manager="cachemon-agent")
            await client.send_status(GROUPS, VM3, {"observedTime": "t"}, field_manager="cachemon-agent")
            whole, short = server.requests
            assert (whole[0], whole[1], whole[2], whole[4]) == (short[0], short[1], short[2], short[4])
            assert whole[3]["Accept"] == "application/json"
            assert "as=PartialObjectMetadata" in short[3]["Accept"]
            with pytest.raises(KubeNotFoundError):
                await client.send_status(GROUPS, VM3, {}, field_manager="cachemon-agent")

    play(story())


def test_an_object_is_created_where_it_says() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(answer(201, {}))
            await client.create(NODES, {"metadata": {"name": "n"}}, field_manager="cachemon-agent")
            method, path, query, _, body = server.requests[0]
            assert (method, path) == ("POST", "/apis/cachemon.dev/v1alpha1/cachemonitornodes")
            assert (query, json.loads(body)) == ({"fieldManager": "cachemon-agent"}, {"metadata": {"name": "n"}})

    play(story())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, KubeRejectedError),
        (401, KubeUnauthorizedError),
        (403, KubeForbiddenError),
        (404, KubeNotFoundError),
        (409, KubeConflictError),
        (410, KubeGoneError),
        (422, KubeRejectedError),
        (429, KubeThrottledError),
        (500, KubeInternalError),
        (502, KubeInternalError),
        (503, KubeUnreachableError),
        (504, KubeTimeoutError),
    ],
)
def test_every_refusal_has_its_kind_and_the_servers_message(status: int, kind: type[KubeError]) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(failure(status, "these words"))
            with pytest.raises(kind, match="these words"):
                await client.get(GROUPS, VM3)

    play(story())


@pytest.mark.pitfall(29)
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, "etcdserver: request is too large"),
        (
            500,
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2132010 vs 2097152)",
        ),
        (413, "Request entity too large: limit is 3145728"),
    ],
)
def test_an_object_that_is_too_large_is_refused_and_the_server_is_not_taken_for_away(
    status: int, message: str
) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(failure(status, message))
            with pytest.raises(KubeTooLargeError, match=r"larger?\b"):
                await client.get(GROUPS, VM3)

    play(story())


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 429, 500, 503, 504])
def test_a_webhook_that_says_no_means_this_object_whatever_status_it_chooses(status: int) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(failure(status, 'admission webhook "w.tenant" denied the request: no'))
            with pytest.raises(KubeRejectedError, match=r"w\.tenant"):
                await client.get(GROUPS, VM3)

    play(story())


def test_a_list_says_when_it_was_served_by_the_servers_clock() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            page = {"items": [], "metadata": {"resourceVersion": "7"}}
            server.answers += [
                answer(200, page, Date="Sun, 22 Nov 2026 08:00:00 GMT"),
                answer(200, page, Date="soon"),
            ]
            listing = await client.list(GROUPS, keep=dict)
            assert listing.served_at == 1_795_334_400
            assert (await client.list(GROUPS, keep=dict)).served_at is None

    play(story())


@pytest.mark.parametrize("body", [[], "text", {"items": []}, {"items": [], "metadata": None}])
def test_an_answer_that_is_no_list_is_an_error_of_ours(body: Any) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(answer(200, body))
            with pytest.raises(KubeUnreachableError):
                await client.list(GROUPS, keep=dict)

    play(story())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("", 1),
        ("nan", 1),
        ("inf", 1),
        ("-5", 1),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1),
        ("99999", 120),
        ("9" * 5000, 1),
    ],
)
def test_a_busy_server_says_how_long_to_wait_within_reason(header: str, seconds: float) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(failure(429, "slow down", **{"Retry-After": header}))
            with pytest.raises(KubeThrottledError) as raised:
                await client.get(GROUPS, VM3)
            assert raised.value.retry_after_seconds == seconds

    play(story())


def test_requests_go_through_the_proxy_of_the_credentials() -> None:
    async def token() -> str:
        return "secret"

    async def story() -> None:
        async with serving() as (proxy, _):
            address = f"http://127.0.0.1:{proxy.port}"
            async with KubeClient(Credentials("http://api.invalid", token, proxy=address)) as client:
                await client.list(GROUPS, keep=dict)
            assert proxy.requests[0][3]["Host"] == "api.invalid"

    play(story())


def test_a_password_that_netrc_has_for_the_server_is_left_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def story() -> None:
        async with serving() as (server, client):
            await client.list(GROUPS, keep=dict)
            assert server.requests[0][3]["Authorization"] == "Bearer secret"

    play(story())


def test_a_page_of_a_proxy_is_no_answer() -> None:
    async def html(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>sign in</html>")

    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(html)
            with pytest.raises(KubeUnreachableError, match="no JSON"):
                await client.get(GROUPS, VM3)

    play(story())


def test_a_server_that_is_not_there_is_unreachable() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            await server.stop()
            with pytest.raises(KubeUnreachableError, match="does not answer"):
                await client.get(GROUPS, VM3)

    play(story())


def test_a_server_that_does_not_answer_in_time_is_unreachable() -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def never(_: web.Request) -> web.StreamResponse:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with serving(request_seconds=allowance(0.2)) as (server, client):
            server.answers.append(never)
            with pytest.raises(KubeTimeoutError, match="does not answer in time"):
                await client.get(GROUPS, VM3)
            assert asked.is_set()

    play(story())


async def watched(client: KubeClient, events: list[WatchEvent]) -> None:
    async for event in client.watch(GROUPS, Selector(), "5", seconds=60):
        events.append(event)  # noqa: PERF401 - what came before an error counts


@pytest.mark.parametrize("size", [10, 200_000, 1_500_000])
def test_events_of_every_size_arrive(size: int) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            big = make_object("vm3", 6, spec={"filler": "x" * size})

            async def once(request: web.Request) -> web.StreamResponse:
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(json.dumps({"type": "ADDED", "object": big}).encode() + b"\n")
                return response

            server.answers.append(once)
            events: list[WatchEvent] = []
            await watched(client, events)
            assert events == [WatchEvent("ADDED", big)]
            assert server.requests[0][2] == {
                "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "5", "timeoutSeconds": "60",
            }  # fmt: skip

    play(story())


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
ADDED = json.dumps({"type": "ADDED", "object": make_object("a", 6)}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (json.dumps(GONE).encode() + b"\n", KubeGoneError),
        (b'{"type": "ADDED", "obj', KubeUnreachableError),
        (b"x" * 5_000_000 + b"\n", KubeUnreachableError),
        (json.dumps({"type": "ERROR", "object": {"code": 500, "message": "etcd"}}).encode(), KubeInternalError),
    ],
)
def test_a_watch_that_breaks_ends_with_an_error_of_its_kind(data: bytes, kind: type[KubeError]) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(ADDED + data)
        return response

    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(broken)
            events: list[WatchEvent] = []
            with pytest.raises(kind):
                await watched(client, events)
            assert [event.object["metadata"]["name"] for event in events] == ["a"]

    play(story())


def test_an_event_of_the_largest_object_that_etcd_takes_comes_through() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers.append(large)
            events: list[WatchEvent] = []
            await watched(client, events)
            assert [len(event.object["spec"]) for event in events] == [1_500_000]

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        event = {"type": "ADDED", "object": make_object("a", 6, spec="x" * 1_500_000)}
        await response.write(json.dumps(event).encode() + b"\n")
        return response

    play(story())


def test_a_silent_watch_is_given_up() -> None:
    async def story() -> None:
        async with serving(silence_seconds=allowance(0.2)) as (server, client):
            with pytest.raises(KubeUnreachableError):
                await watched(client, [])
            assert len(server.watches) == 1

    play(story())


def test_a_token_that_the_server_refuses_is_read_again_before_the_next_request(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "token"
        file.write_text("old")
        token = TokenFile(file)
        async with serving() as (server, _):
            credentials = Credentials(f"http://127.0.0.1:{server.port}", token, renew=token.doubt)
            async with KubeClient(credentials) as client:
                server.answers += [answer(200, make_object("vm3", 7)), failure(401, "Unauthorized")]
                await client.get(GROUPS, VM3)
                file.write_text("new")
                with pytest.raises(KubeUnreachableError, match="does not take our token"):
                    await client.get(GROUPS, VM3)
                server.answers.append(answer(200, make_object("vm3", 7)))
                await client.get(GROUPS, VM3)
            sent = [request[3]["Authorization"] for request in server.requests]
            assert sent == ["Bearer old", "Bearer old", "Bearer new"]

    play(story())
