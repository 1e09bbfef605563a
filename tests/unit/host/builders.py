"""Values for tests of a host's agent."""

from collections.abc import Sequence

from cachemon.engine.layout import GroupLayout, GroupState, Layout, NodeFacts, Target, TargetLayout
from cachemon.host.agent.watched_domains import DomainLayout, WatchedDomain, watch
from cachemon.libvirt.domain_xml import OwnMonitor
from cachemon.libvirt.running import RunningDomain
from cachemon.model.groups import MonitoringGroup, parse_group
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.model.threads import Qemu, Thread, ThreadClass

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
BLOCKS = (CacheBlock(3, 0, 64 << 20, "0-3"), CacheBlock(3, 8, 64 << 20, "4-7"))
FACTS = NodeFacts(num_rmids=64, events=EVENTS, blocks=BLOCKS, own_mon_groups=2, other_rmids=1)

WEB = parse_group({"name": "web", "vcpus": "0"})
ALL = parse_group({"name": "all", "vcpus": "all"})
IO = parse_group({"name": "io", "threads": ["IOThread"]})


def own_monitor(vcpus: str, *, has_mon_group: bool = True) -> OwnMonitor:
    return OwnMonitor(parse_group({"vcpus": vcpus}), has_mon_group)


def running(
    *groups: MonitoringGroup,
    uuid: str = UUID,
    name: str = "vm1",
    own: Sequence[OwnMonitor] = (),
    problem: str = "",
    number: int | None = 3,
) -> RunningDomain:
    return RunningDomain(uuid, name, number, 2, groups, tuple(own), problem)


def qemu(vcpus: int = 2, first_tid: int = 100, uuid: str = UUID, name: str = "vm1") -> Qemu:
    """Its main thread has TID 100, its vCPUs 101, 102, ..."""
    threads = [Thread(first_tid, 1, ThreadClass.EMULATOR, None)]
    threads += [Thread(first_tid + 1 + number, 1, ThreadClass.VCPU, number) for number in range(vcpus)]
    return Qemu(first_tid, 1, uuid, name, tuple(threads), identifiable=True)


def mon_group(name: object) -> MonGroupName:
    return MonGroupName(ROOT, f"cachemon-{name}")


def layout_of(
    domain: WatchedDomain | RunningDomain, *groups: GroupLayout, qemus: Sequence[Qemu] = (), node: NodeFacts = FACTS
) -> DomainLayout:
    watched = domain if isinstance(domain, WatchedDomain) else watch(domain, ())
    target = Target(watched, (watched.uuid,), reports=True)
    return Layout(node, (TargetLayout(target, groups, tuple(qemus), has_all_vcpus=True),))


def well(group: MonitoringGroup, *mon_groups: MonGroupName, vcpus: Sequence[int] = (0,)) -> GroupLayout:
    return GroupLayout(group, GroupState.MONITORED, None, "", tuple(vcpus), len(vcpus), mon_groups)
