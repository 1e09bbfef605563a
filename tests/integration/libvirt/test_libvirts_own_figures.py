"""What libvirt's own monitors report, and where they report nothing: the differences that our documentation names.

Where libvirt can't read one file, 9.0 fails the whole call; later ones (11.2's source) leave out the keys.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cachemon.model.domstats_keys import KeyStyle, keys_of
from cachemon.model.group_reports import BlockReport, GroupReport
from cachemon.model.groups import parse_group
from cachemon.model.kept_groups import Keeper
from lab.emulator import Emulator
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost, VirshError
from lab.libvirt.programs import Programs
from resctrl_emulator.client import Books

CPUTUNE = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)
CACHE, MEMORY = "cpu.cache.monitor.", "memory.bandwidth.monitor."
KINDS = {CACHE: "--cpu-total", MEMORY: "--memory"}
GIB = 1 << 30
LARGE = {0: 8 * GIB, 1: 32 << 20}

pytestmark = pytest.mark.usefixtures("kvm")

Machine = tuple[LibvirtHost, Emulator]


@contextmanager
def machine_with(programs: Programs, folder: Path, **options: object) -> Iterator[Machine]:
    """A host whose resctrl is an emulator with these options."""
    with (
        Emulator(folder, **options) as resctrl,  # type: ignore[arg-type]
        LibvirtHost(programs, resctrl=resctrl.mountpoint) as host,
    ):
        yield host, resctrl


@pytest.fixture(scope="module")
def large_machine(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_with(programs, tmp_path_factory.mktemp("large"), blocks=LARGE) as machine:
        yield machine


@pytest.fixture
def monitored(large_machine: Machine) -> Iterator[Machine]:
    """The domain vm1 runs and has two monitors of either kind; nothing is counted any more."""
    host, resctrl = large_machine
    start_monitored(host)
    resctrl.control.freeze()
    yield large_machine
    resctrl.control.thaw()
    host.clear()


@pytest.fixture
def fresh(programs: Programs, tmp_path: Path) -> Callable[..., AbstractContextManager[Machine]]:
    return lambda **options: machine_with(programs, tmp_path, **options)


def start_monitored(host: LibvirtHost) -> None:
    host.define(GuestDomain("vm1", kvm=True, cputune=CPUTUNE))
    host.start("vm1")


def group_of(books: Books, vcpu: int) -> str:
    """The path of libvirt's mon_group of a vCPU."""
    (path,) = (path for path in books.groups if path.endswith(f"-vm1-vcpus_{vcpu}"))
    return path


def number(value: int | str) -> int:
    assert isinstance(value, int)
    return value


def uses(books: Books) -> dict[str, GroupReport]:
    """What the kernel has counted."""
    return {
        f"vcpus_{vcpu}": GroupReport(
            parse_group({"vcpus": str(vcpu)}),
            (vcpu,),
            Keeper.LIBVIRT,
            "Monitored",
            blocks=tuple(
                BlockReport(
                    id_,
                    number(events["llc_occupancy"]),
                    number(events["mbm_local_bytes"]),
                    number(events["mbm_total_bytes"]),
                )
                for id_, events in books.groups[group_of(books, vcpu)].blocks.items()
            ),
        )
        for vcpu in (0, 1)
    }


def reports(host: LibvirtHost, prefix: str) -> bool:
    """Whether libvirt has figures under these keys."""
    try:
        return any(key.startswith(prefix) for key in host.domstats("vm1", [KINDS[prefix]]))
    except VirshError:
        return False


def test_libvirts_own_keys_are_those_that_cachemon_prints_in_its_format(monitored: Machine) -> None:
    host, resctrl = monitored
    assert host.domstats("vm1") == dict(keys_of(uses(resctrl.control.books()), KeyStyle.LIBVIRT))


def test_libvirts_own_bytes_of_cache_are_cut_at_32_bits_and_those_of_traffic_are_not(monitored: Machine) -> None:
    host, resctrl = monitored
    group = group_of(resctrl.control.books(), 0)
    for event in ("llc_occupancy", "mbm_total_bytes"):
        resctrl.control.set_value(group, 0, event, 5 * GIB)
    figures = host.domstats("vm1")
    assert int(figures["cpu.cache.monitor.0.bank.0.bytes"]) == 5 * GIB % (1 << 32)
    assert int(figures["memory.bandwidth.monitor.0.node.0.bytes.total"]) == 5 * GIB
    assert (f"{CACHE}0.bank.0.bytes", str(5 * GIB)) in keys_of(uses(resctrl.control.books()), KeyStyle.LIBVIRT)


@pytest.mark.parametrize("word", ["Unavailable", "Error"])
@pytest.mark.parametrize(("event", "gone"), [("llc_occupancy", CACHE), ("mbm_total_bytes", MEMORY)])
def test_libvirts_own_figures_of_all_monitors_vanish_when_one_counter_has_no_number(
    monitored: Machine, event: str, gone: str, word: str
) -> None:
    host, resctrl = monitored
    group = group_of(resctrl.control.books(), 0)
    resctrl.control.set_value(group, 0, event, word)
    assert not reports(host, gone)
    resctrl.control.set_value(group, 0, event, None)
    assert reports(host, gone)


def test_libvirt_9s_own_domstats_fails_for_all_domains_when_one_counter_has_no_number(monitored: Machine) -> None:
    host, resctrl = monitored
    if "libvirt 9." not in host.virsh("version"):
        pytest.skip("this libvirt is not 9: later ones leave out keys instead")
    host.define(GuestDomain("other"))
    host.virsh("domstats", "other")
    resctrl.control.set_value(group_of(resctrl.control.books(), 0), 0, "llc_occupancy", "Unavailable")
    with pytest.raises(VirshError, match="Invalid unsigned long long value 'Unavailable'"):
        host.virsh("domstats")


def test_libvirts_own_figures_vanish_for_good_when_somebody_removes_a_monitors_mon_group(monitored: Machine) -> None:
    host, resctrl = monitored
    (resctrl.mountpoint / group_of(resctrl.control.books(), 0).removeprefix("/")).rmdir()
    assert not reports(host, CACHE)
    host.restart_daemon()
    assert not reports(host, CACHE)
    assert not reports(host, MEMORY)


@pytest.mark.parametrize("id_", [8, 9])
def test_libvirts_own_figures_of_all_caches_vanish_where_one_has_the_id_8_or_9(
    fresh: Callable[..., AbstractContextManager[Machine]], id_: int
) -> None:
    """It reads the 08 of mon_L3_08 as an octal number."""
    with fresh(blocks={0: 32 << 20, id_: 32 << 20}) as (host, _):
        start_monitored(host)
        assert not reports(host, CACHE)
        assert not reports(host, MEMORY)


def test_libvirts_own_figures_of_traffic_vanish_where_events_can_be_configured(
    fresh: Callable[..., AbstractContextManager[Machine]],
) -> None:
    """AMD's BMEC: mon_features has mbm_total_bytes_config, which libvirt takes for a counter."""
    with fresh(more=("--event-configs",)) as (host, _):
        start_monitored(host)
        assert reports(host, CACHE)
        assert not reports(host, MEMORY)


def test_libvirts_own_monitors_keep_a_domain_from_starting_when_rmids_run_short(
    fresh: Callable[..., AbstractContextManager[Machine]],
) -> None:
    with fresh(rmids=2) as (host, resctrl):
        with pytest.raises(VirshError, match=r"Cannot create resctrl directory .*: No space left on device"):
            start_monitored(host)
        assert list(resctrl.control.books().groups) == ["/"]
