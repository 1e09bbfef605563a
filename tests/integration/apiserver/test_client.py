import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.credentials import Credentials
from cachemon.kube.login import load_credentials, pod_credentials
from cachemon.model.api import AGENT_FIELD_MANAGER, API_VERSION, GROUPS, NODES, ObjectName
from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError, KubeUnreachableError
from lab.kubernetes.control_plane import ControlPlane
from tests.integration.apiserver.examples import group_object


def use(credentials: Credentials, story: Callable[[KubeClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with KubeClient(credentials) as client:
            await story(client)

    asyncio.run(run())


def as_administrator(control_plane: ControlPlane) -> Credentials:
    return asyncio.run(load_credentials(control_plane.admin_kubeconfig))


def service_account(control_plane: ControlPlane, folder: Path, token: str) -> Credentials:
    address = urlsplit(control_plane.url)
    (folder / "token").write_text(token + "\n")
    (folder / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    where = {"KUBERNETES_SERVICE_HOST": address.hostname or "", "KUBERNETES_SERVICE_PORT": str(address.port)}
    return pod_credentials(where, folder)


def test_a_status_that_is_sent_without_reading_back_is_there(control_plane: ControlPlane, namespace: str) -> None:
    async def story(client: KubeClient) -> None:
        name = ObjectName(namespace, "vm1")
        body = {
            "apiVersion": API_VERSION,
            "kind": GROUPS.kind,
            "metadata": name._asdict(),
            "spec": {"vmiName": "vm1"},
        }
        await client.create(GROUPS, body, field_manager="test")
        status = {"observedTime": "2026-11-22T08:00:00Z", "summary": {"groups": "0/1"}}
        await client.send_status(GROUPS, name, status, field_manager=AGENT_FIELD_MANAGER)
        stored = await client.get(GROUPS, name)
        assert stored["status"] == status
        assert await client.apply_status(GROUPS, name, status, field_manager=AGENT_FIELD_MANAGER) == stored
        with pytest.raises(KubeNotFoundError):
            await client.send_status(GROUPS, ObjectName(namespace, "vm2"), status, field_manager=AGENT_FIELD_MANAGER)

    use(as_administrator(control_plane), story)


@pytest.mark.parametrize("metadata_only", [False, True])
def test_a_list_without_objects_is_empty(control_plane: ControlPlane, namespace: str, *, metadata_only: bool) -> None:
    async def story(client: KubeClient) -> None:
        assert (await client.list(GROUPS, namespace=namespace, metadata_only=metadata_only, keep=dict)).items == []

    use(as_administrator(control_plane), story)


def test_with_the_files_of_a_pod_the_client_is_that_service_account(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    control_plane.add_service_account("cachemon-system", "cachemon-agent")
    token = control_plane.service_account_token("cachemon-system", "cachemon-agent")

    async def story(client: KubeClient) -> None:
        assert (await client.list(GROUPS, keep=dict)).resource_version
        with pytest.raises(KubeForbiddenError, match="system:serviceaccount:cachemon-system:cachemon-agent"):
            await client.create(GROUPS, {"metadata": {"namespace": "default"}}, field_manager="test")

    use(service_account(control_plane, tmp_path, token), story)


def test_watches_that_are_given_up_leave_no_socket(control_plane: ControlPlane, namespace: str) -> None:
    async def story(client: KubeClient) -> None:
        before = (await client.list(GROUPS, keep=dict)).resource_version
        await client.create(
            GROUPS, group_object("vm1") | {"metadata": {"namespace": namespace, "name": "vm1"}}, field_manager="test"
        )
        heard = asyncio.Queue[None]()

        async def listen() -> None:
            async for _ in client.watch(GROUPS, Selector(), before, seconds=60):
                heard.put_nowait(None)

        watches = [asyncio.create_task(listen()) for _ in range(8)]
        for _ in watches:
            await heard.get()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    use(as_administrator(control_plane), story)
    gc.collect()  # a socket that is left open says so here, and pytest makes an error of it


def test_a_server_whose_certificate_is_not_trusted_is_unreachable(control_plane: ControlPlane) -> None:
    async def story(client: KubeClient) -> None:
        with pytest.raises(KubeUnreachableError, match="certificate"):
            await client.list(NODES, keep=dict)

    use(replace(as_administrator(control_plane), ca_file=None), story)


def test_a_kubeconfig_may_say_that_the_certificate_does_not_matter(control_plane: ControlPlane) -> None:
    async def story(client: KubeClient) -> None:
        assert (await client.list(NODES, keep=dict)).resource_version

    use(replace(as_administrator(control_plane), ca_file=None, verifies=False), story)
