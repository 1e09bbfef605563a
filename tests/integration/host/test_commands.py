"""`cachemon host` as a person types it, before a real libvirtd and a real agent."""

import csv
import json
import re
import subprocess
import sys

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.libvirt.connection import open_connection
from cachemon.libvirt.metadata import read_metadata
from lab.libvirt.guest_domain import GuestDomain
from lab.wait import run, until
from tests.integration.host.scene import Scene, metadata

TITLE = "CPU Resource Monitoring Group Status: "
MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='1'/></memorytune>"
)


def well(scene: Scene, *arguments: str) -> str:
    """What a command says that must go well."""
    done = scene.ask(*arguments)
    assert done.code == 0, done
    return done.out


def shown(scene: Scene, *arguments: str) -> list[str]:
    """The names of the groups."""
    return well(scene, "cpu-resource", "vm1", "--output=name", *arguments).split()


def in_metadata(scene: Scene, *, inactive: bool) -> list[str]:
    with open_connection(scene.host.uri, read_only=True) as connection:
        domain = connection.domain("vm1")
    xml = domain.config_xml if inactive else domain.live_xml
    assert xml is not None
    return [group.name for group in read_metadata(xml)]


def test_groups_of_a_running_domain_live_in_the_configuration_and_both(scene: Scene) -> None:
    scene.start(GuestDomain("vm1"))
    scene.until_reported("vm1")
    create = ("cpu-resource", "vm1", "--create")
    assert well(scene, *create, "--vcpulist=0") == "group vcpus_0 created in domain vm1 (live)\n"
    assert well(scene, *create, "--vcpulist=1", "--config") == "group vcpus_1 created in domain vm1 (config)\n"
    well(scene, *create, "--group-name=all", "--vcpulist=all", "--live", "--config")
    scene.until_monitored("vm1", "all")
    assert shown(scene) == shown(scene, "--live") == ["vcpus_0", "all"]
    assert shown(scene, "--config") == in_metadata(scene, inactive=True) == ["vcpus_1", "all"]
    assert in_metadata(scene, inactive=False) == []
    scene.until_held(scene.tids("vm1", 0), scene.tids("vm1", 1))
    scene.compare()
    scene.host.destroy("vm1")
    scene.host.start("vm1")
    scene.until_monitored("vm1", "vcpus_1")
    assert shown(scene) == ["vcpus_1", "all"], "what was live has ended, what is in the configuration works"
    assert well(scene, "cpu-resource", "vm1").startswith(TITLE)
    well(scene, "cpu-resource", "vm1", "--destroy", "--group-name=all")
    until("it to have gone", lambda: scene.agent.group("vm1", "all") is None)
    scene.until_held(scene.tids("vm1", 1))
    assert in_metadata(scene, inactive=True) == ["vcpus_1", "all"], "the configuration must not change"
    well(scene, "cpu-resource", "vm1", "--destroy", "--group-name=vcpus_1", "--live", "--config")
    scene.until_held()
    assert in_metadata(scene, inactive=True) == ["all"]


def test_current_of_a_domain_that_is_shut_off_is_its_configuration_and_live_is_refused(scene: Scene) -> None:
    scene.host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    refused = scene.run("cpu-resource", "vm1", "--create", "--vcpulist=1", "--live")
    assert (refused.code, refused.out) == (1, "")
    assert "domain is not running" in refused.err
    assert well(scene, "cpu-resource", "vm1", "--create", "--vcpulist=1", "--current").endswith("(config)\n")
    assert shown(scene) == ["web", "vcpus_1"]
    well(scene, "cpu-resource", "vm1", "--destroy", "--group-name=web", "--config")
    scene.host.start("vm1")
    scene.until_held(scene.tids("vm1", 1))
    assert scene.run("cpu-resource", "vm1", "--create", "--vcpulist=7").code == 1, "there is no such vCPU"


def test_live_commands_without_an_agent_say_how_to_start_it_and_config_needs_none(scene: Scene) -> None:
    scene.start(GuestDomain("vm1"))
    scene.agent.stop()
    try:
        refused = scene.run("cpu-resource", "vm1", "--create", "--vcpulist=1", "--live", "--config")
        assert refused.code == 1
        assert "systemctl start cachemon-host" in refused.err
        assert in_metadata(scene, inactive=True) == [], "both or nothing"
        well(scene, "cpu-resource", "vm1", "--create", "--vcpulist=1", "--config")
        assert scene.run("domstats", "vm1").code == 1
    finally:
        scene.agent.start()
    assert in_metadata(scene, inactive=True) == ["vcpus_1"]


def test_domstats_has_the_figures_of_the_books(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"', 'id="all" vcpus="all"')))
    scene.until_monitored("vm1", "all")
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    with scene.still() as (_, books):
        lines = well(scene, "domstats", "vm1").splitlines()
    groups = [group for path, group in books.groups.items() if path != "/"]
    first = next(group for group in groups if set(group.tids) == scene.tids("vm1", 0))
    assert lines[0] == "Domain: 'vm1'"
    pairs = dict(line.strip().partition("=")[::2] for line in lines[1:])
    assert pairs["cpu.cacheoccupancy.all.vcpus"] == "0,1"
    for id_ in first.blocks:
        total = sum(int(group.blocks[id_]["llc_occupancy"]) for group in groups)
        assert pairs[f"cpu.cacheoccupancy.web.{id_}.value"] == str(first.blocks[id_]["llc_occupancy"])
        assert pairs[f"cpu.cacheoccupancy.all.{id_}.value"] == str(total)


def test_top_has_the_figures_of_the_books_as_table_json_and_csv(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"', 'id="all" vcpus="all"')))
    scene.start(GuestDomain("vm2"))
    scene.until_monitored("vm1", "all")
    until("caches to fill", lambda: any(reported.occupancy for reported, _ in scene.compare().values()))
    with scene.still() as (_, books):
        table = well(scene, "top", "--no-headers").splitlines()
        (exact,) = json.loads(well(scene, "top", "vm1", "--output=json"))
        groups = list(csv.DictReader(well(scene, "top", "--by=group", "--output=csv").splitlines()))
        lines = list(csv.DictReader(well(scene, "top", "--csv", "--once").splitlines()))
    booked = [group for path, group in books.groups.items() if path != "/"]
    total = sum(int(block["llc_occupancy"]) for group in booked for block in group.blocks.values())
    first = next(group for group in booked if set(group.tids) == scene.tids("vm1", 0))
    web = sum(int(block["llc_occupancy"]) for block in first.blocks.values())
    assert [line.split()[0] for line in table] == ["vm1", "vm2"]
    assert table[1].split()[-1] == "NoGroup"
    assert (exact["domain"], exact["occupancyBytes"]) == ("vm1", total)
    assert {row["group"]: int(row["occupancyBytes"]) for row in groups} == {"web": web, "all": total}
    assert [(row["Domain"], row["LLC[KB]"]) for row in lines] == [("vm1", f"{total / 1024:.1f}")]


def test_csv_over_time_has_a_line_for_each_sample_and_ends_in_time(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="all" vcpus="all"')))
    scene.until_monitored("vm1", "all")
    until("a rate", lambda: any(row["MBT[MB/s]"] for row in csv_rows(scene, "--once")))
    rows = csv_rows(scene, "--interval=1", "--duration=4")
    assert [row["Domain"] for row in rows] == ["vm1"] * len(rows)
    seen = [row["Time"] for row in rows]
    assert seen == sorted(set(seen)), "a sample is printed once"
    assert all(float(row["MBT[MB/s]"]) >= float(row["MBL[MB/s]"]) for row in rows)


def test_a_terminal_shows_what_domains_hold_again_and_again(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="all" vcpus="all"')))
    scene.until_monitored("vm1", "all")
    with scene.live("top", columns=100, lines=8) as top:
        until("a change", lambda: any(re.search(r"^vm1 .*  \S+ [+-]\d\S*  ", line) for line in top.screen))
        assert top.screen[0].startswith("cachemon host top, by domain   drawn every 1s")
        assert re.match(r"figures are renewed every [\d.]+s, the newest \d+s ago", top.screen[1])
        assert top.screen[2].split() == ["DOMAIN", "HELD", "BANDWIDTH", "AGE", "TREND", "CACHE"]


def csv_rows(scene: Scene, *arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(well(scene, "top", "--csv", *arguments).splitlines()))


@pytest.mark.usefixtures("kvm")
def test_a_domain_with_libvirts_monitors_is_imported_and_goes_back(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", kvm=True, cputune=MONITORS))
    scene.until_monitored("vm1", "vcpus_0")
    done = scene.run("import", "vm1")
    assert done.code == 0, done
    assert done.out == "domain vm1 configured with vcpus_0, vcpus_1\n"
    assert "take the <monitor> elements out" in done.err
    scene.host.destroy("vm1")
    config = scene.host.virsh("dumpxml", "vm1", "--inactive")
    scene.host.define(config.replace("<monitor level='3' vcpus='0'/>", "").replace("<monitor vcpus='1'/>", ""))
    scene.host.start("vm1")
    for name in ("vcpus_0", "vcpus_1"):
        assert scene.until_monitored("vm1", name).kept == "config"
    assert not scene.mon_groups("qemu-")
    scene.until_held(scene.tids("vm1", 0), scene.tids("vm1", 1))
    scene.compare()
    scene.host.destroy("vm1")
    exported = scene.run("export", "vm1", "--into=-", stdin=scene.host.virsh("dumpxml", "vm1", "--inactive")).out
    virsh = ["virsh", "--connect", scene.host.uri, "define", "/dev/stdin"]
    subprocess.run(virsh, input=exported, text=True, check=True, capture_output=True)
    scene.host.start("vm1")
    for name in ("vcpus_0", "vcpus_1"):
        assert scene.until_monitored("vm1", name).kept == "libvirt"
    assert len(scene.mon_groups("qemu-")) == 2
    scene.until_held()
    scene.compare()


def test_why_asks_the_agent(scene: Scene) -> None:
    scene.start(GuestDomain("vm1"))
    scene.until_reported("vm1")
    assert well(scene, "why", "vm1").startswith("Not judged: the agent of this host does not judge.\n")


def findings(scene: Scene) -> dict[str, list[str]]:
    """Verdict and message of what `diagnose` finds, by what was checked."""
    found: dict[str, list[str]] = {}
    done = scene.ask("diagnose", "-o", "json", f"--resctrl={scene.resctrl.mountpoint}")
    for item in json.loads(done.out)["findings"]:
        found.setdefault(item["what"], []).append(f"{item['verdict']} {item['message']}")
    return found


def test_diagnose_agrees_with_the_host_whether_the_agent_runs_or_not(scene: Scene) -> None:
    scene.host.define(GuestDomain("vm2"))
    scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    scene.until_monitored("vm1", "web")
    (scene.resctrl.mountpoint / "mon_groups" / "of-others").mkdir()
    try:
        until("the agent to see it", lambda: scene.agent.status()["rmids"]["others"] == 2)
        found = findings(scene)
        assert found["libvirt"] == ["ok it answers: 1 of 2 domains run"]
        assert found["groups"] == ["ok 1 of 1 domains, all Monitored"]
        assert found["others"][0].startswith("note /mon_groups/of-others is a group of another program")
        assert found["interference"][0].startswith("note off")
        kernel = {what: found[what] for what in ("resctrl", "RMIDs")}
        scene.agent.stop()  # its mon_groups stay
        try:
            alone = findings(scene)
        finally:
            scene.agent.start()
    finally:
        (scene.resctrl.mountpoint / "mon_groups" / "of-others").rmdir()
    assert alone["agent"][0].startswith("FAIL no agent of cachemon answers")
    assert {what: alone[what] for what in kernel} == kernel
    assert alone["others"] == found["others"]
    assert "groups" not in alone


def test_diagnose_without_libvirt_goes_on(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    scene.until_monitored("vm1", "web")
    scene.host.stop_daemon()
    try:
        until("the agent to notice", lambda: scene.agent.report().problem)
        found = findings(scene)
    finally:
        scene.host.start_daemon()
    assert found["libvirt"][0].startswith("FAIL")
    assert found["agent"][0].startswith("FAIL")
    assert found["groups"] == ["ok 1 of 1 domains, all Monitored"]
    until("libvirt to answer again", lambda: not scene.agent.report().problem)


def test_diagnose_of_an_ordinary_user_says_whose_socket_it_is(scene: Scene) -> None:
    scene.until_reported()
    for folder in (scene.agent.folder, scene.resctrl.mountpoint.parent):
        folder.chmod(0o755)
    flags = ("--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "cachemon.host.commands.main")
    place = f"--connect={scene.host.uri}", f"--socket={scene.agent.socket}"
    done = run(["setpriv", *flags, "host", *place, "diagnose"], seconds=60)
    assert done.returncode == 1
    assert f"FAIL  agent: no right to connect to {scene.agent.socket}" in done.stdout
    assert "        -> sudo cachemon host -c" in done.stdout
    assert "Traceback" not in done.stderr
