"""The page of a host, before a real libvirtd and a real agent: its numbers are those of `domstats`."""

import os
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from lab.libvirt.guest_domain import GuestDomain
from lab.wait import until
from tests.integration.host.scene import Scene, metadata
from tests.integration.host.served_host import ask, host_page, printed_occupancy

NOBODY = 65534
GROUPS = 'id="web" vcpus="0"', 'id="all" vcpus="all"'


def test_the_state_of_the_page_is_what_domstats_prints(scene: Scene, tmp_path: Path) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata(*GROUPS)))
    scene.start(GuestDomain("bare"))
    scene.until_monitored("vm1", "all")
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    with scene.still() as (report, _), host_page(scene, tmp_path) as address:
        printed = printed_occupancy(scene, "vm1")
        state = ask(address, "state.json")
        history = ask(address, "history.json", vm="vm1")
        why = ask(address, "why.json", vm="vm1")
    vm = state["vms"]["vm1"]
    assert {
        (group["name"], block["id"]): block["occupancy"] for group in vm["groups"] for block in group["blocks"]
    } == printed
    assert vm["occupancy"] == sum(amount for (group, _), amount in printed.items() if group == "all")
    ((host, node),) = state["nodes"].items()
    assert vm["node"] == host == state["source"]["title"]
    assert {block["id"]: block["occupancy"] for block in node["blocks"]} == {
        block.id: block.occupancy_bytes for block in report.blocks
    }
    assert state["remarks"][0].startswith("without a group, so not shown: bare; ")
    newest = {(it["group"], it["block"]): it["occupancy"][-1] for it in history["series"]}
    for (group, block), amount in printed.items():
        assert newest[f"config/{group}", block] == amount
    assert why["text"].startswith("Not judged: the agent of this host does not judge.")


def test_the_page_follows_the_end_of_a_domain_and_of_the_agent(scene: Scene, tmp_path: Path) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata(*GROUPS)))
    scene.until_monitored("vm1", "all")
    with host_page(scene, tmp_path) as address:
        assert list(ask(address, "state.json")["vms"]) == ["vm1"]
        scene.host.destroy("vm1")
        until("the domain to go", lambda: not ask(address, "state.json")["vms"])
        markers = ask(address, "history.json", vm="vm1")["markers"]
        assert [marker["kind"] for marker in markers] == ["stopped"]
        scene.agent.stop()
        try:
            problem = until("the page to notice", lambda: ask(address, "state.json")["source"]["problem"])
        finally:
            scene.agent.start()
        assert "no agent of cachemon answers" in problem
        until("the agent to answer again", lambda: not ask(address, "state.json")["source"]["problem"])


def test_an_ordinary_user_of_the_sockets_group_has_the_page(scene: Scene, tmp_path: Path) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata(*GROUPS)))
    scene.until_monitored("vm1", "all")
    owner = scene.agent.socket.stat()
    scene.agent.folder.chmod(0o755)
    os.chown(scene.agent.socket, -1, NOBODY)  # as --socket-group has it
    try:
        with host_page(
            scene, tmp_path, ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        ) as page:
            assert list(ask(page, "state.json")["vms"]) == ["vm1"]
    finally:
        os.chown(scene.agent.socket, -1, owner.st_gid)


def test_there_is_no_page_without_an_agent(scene: Scene) -> None:
    scene.until_reported()
    scene.agent.stop()
    try:
        done = scene.run("web", "--no-open")
    finally:
        scene.agent.start()
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: no agent of cachemon answers at {scene.agent.socket}")
