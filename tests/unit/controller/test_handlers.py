from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
import pytest

from cachemon.controller.handlers import registry_of_handlers
from cachemon.controller.kopf_adaptations import Login, configure
from cachemon.controller.kopf_requests import KopfRequests
from cachemon.controller.store import Store
from cachemon.kube.credentials import ClientCertificate, Credentials
from cachemon.model.api import GROUPS, VMIS, Resource
from tests.unit import virtual_time
from tests.unit.controller.builders import group_object, vmi_object


def credentials(*tokens: str, certificate: ClientCertificate | None = None) -> Credentials:
    left = iter(tokens)

    async def next_token() -> str | None:
        return next(left, None)

    return Credentials("https://127.0.0.1:6443", next_token, client_certificate=certificate)


def test_each_login_reads_the_token_anew_and_ends_before_the_token_does() -> None:
    login = Login(credentials("one", "two"))
    first, second = virtual_time.run(login()), virtual_time.run(login())
    assert (first.token, second.token) == ("one", "two")
    assert first.server == "https://127.0.0.1:6443"
    assert first.expiration is not None
    assert timedelta(minutes=5) < first.expiration - datetime.now(UTC) < timedelta(minutes=12)


def test_a_client_certificate_logs_in_without_a_token() -> None:
    info = virtual_time.run(Login(credentials(certificate=ClientCertificate("/c", "/k")))())
    assert (info.token, info.certificate_path, info.private_key_path) == (None, "/c", "/k")


def test_kopf_takes_the_same_way_to_the_server_as_we_do() -> None:
    info = virtual_time.run(Login(replace(credentials("one"), proxy="http://p:2", verifies=False))())
    assert (info.proxy_url, info.insecure) == ("http://p:2", True)
    assert not virtual_time.run(Login(credentials("one"))()).insecure


def test_logins_that_are_refused_at_once_are_seconds_apart() -> None:
    async def story() -> list[float]:
        login = Login(credentials("bad", "bad", "bad"))
        times = []
        for _ in range(3):
            await login()
            times.append(virtual_time.time())
        return times

    assert virtual_time.run(story()) == [0.0, 5.0, 10.0]


def test_kopf_keeps_nothing_on_objects_and_scans_nothing() -> None:
    settings = kopf.OperatorSettings()
    configure(settings, KopfRequests(lambda: 0.0))
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert not settings.posting.enabled
    assert settings.persistence.finalizer != kopf.OperatorSettings().persistence.finalizer
    registry = registry_of_handlers(
        Store(), Login(credentials()), KopfRequests(lambda: 0.0), lambda _: None, lambda: None
    )
    assert len(registry._watching.get_all_handlers()) == 6
    for others in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert not others.get_all_handlers()


@pytest.mark.parametrize(("kind", "listed"), [(None, 1), ("ADDED", 0)])
def test_events_reach_the_store_and_a_new_list_of_kopfs_asks_for_one_of_ours(kind: str | None, listed: int) -> None:
    store = Store()
    requests: list[Resource] = []
    registry = registry_of_handlers(
        store, Login(credentials()), KopfRequests(lambda: 0.0), requests.append, lambda: None
    )
    handlers: dict[str, Any] = {handler.id: handler.fn for handler in registry._watching.get_all_handlers()}

    async def feed() -> None:
        for resource, obj in ((GROUPS, group_object()), (VMIS, vmi_object())):
            await handlers[resource.plural](event={"type": kind, "object": obj}, body=obj)

    virtual_time.run(feed())
    assert len(store.objects.groups) == 1
    assert requests == [GROUPS, VMIS] * listed
