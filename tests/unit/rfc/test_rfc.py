"""The 2018 RFC "x86 RDT CMT", promise by promise, on KubeVirt and on a libvirt host: one front end, two back ends.

What the RFC prints is here word for word, but for the numbers. What only one back end has is in its own tests.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from cachemon.model.groups import parse_groups
from tests.unit.host.commands.fake_host import Host, block, group
from tests.unit.plugin.fake_api import GROUPS, VMIS, Plugin, cmg, group_status, vmi
from tests.unit.plugin.fake_api import block as status_block

EXAMPLE = {"vcpus_2": "2", "vcpus_1": "1", "vcpus_0,3": "0,3"}
"""The groups of vm3 in the RFC."""

Figures = dict[str, dict[int, int]]
"""Bytes by group and cache block."""


class Answer(Protocol):
    """The end of a command: its exit code and its output."""

    code: int
    out: str
    err: str


class World(Protocol):
    """A place with one domain, vm3."""

    def run(self, *arguments: str) -> Answer:
        """A command as a person types it."""

    def live(self) -> set[str]:
        """Groups that end with the run of the domain."""

    def config(self) -> set[str]:
        """Groups of the configuration."""

    def measures(self, groups: dict[str, str], figures: Figures) -> None:
        """Such groups, and such figures."""


class OnKubeVirt:
    """CacheMonitorGroups."""

    def __init__(self, *, runs: bool) -> None:
        self.plugin = Plugin()
        if runs:
            self.plugin.api.put(VMIS, vmi())

    def run(self, *arguments: str) -> Answer:
        return self.plugin.run(*arguments)

    def live(self) -> set[str]:
        return self._names(owned=True)

    def config(self) -> set[str]:
        return self._names(owned=False)

    def _names(self, *, owned: bool) -> set[str]:
        objects = self.plugin.api.objects["CacheMonitorGroup"].values()
        chosen = [obj for obj in objects if bool(obj["metadata"].get("ownerReferences")) is owned]
        return {found.name for obj in chosen for found in parse_groups(obj["spec"].get("groups"))}

    def measures(self, groups: dict[str, str], figures: Figures) -> None:
        items = [{"name": name, "vcpus": vcpus} for name, vcpus in groups.items()]
        status = [
            group_status(
                name,
                *(status_block(id_, value) for id_, value in figures.get(name, {}).items()),
                vcpus=sorted(parse_groups([{"name": name, "vcpus": vcpus}])[0].vcpus or ()),
            )
            for name, vcpus in groups.items()
        ]
        self.plugin.api.put(GROUPS, cmg(groups=items, status=status))


class OnAHost:
    """Metadata and an agent."""

    def __init__(self, *, runs: bool) -> None:
        self.host = Host()
        self.host.libvirt.put(runs=runs)

    def run(self, *arguments: str) -> Answer:
        return self.host.run(*arguments)

    def live(self) -> set[str]:
        return set(self.host.live())

    def config(self) -> set[str]:
        return set(self.host.config())

    def measures(self, groups: dict[str, str], figures: Figures) -> None:
        self.host.libvirt.put(groups=[group(name, vcpus) for name, vcpus in groups.items()])
        self.host.agent.blocks = {
            name: tuple(block(id_, value) for id_, value in of.items()) for name, of in figures.items()
        }


Make = Callable[..., World]
BACK_ENDS = pytest.mark.parametrize("make", [OnKubeVirt, OnAHost])


def command(world: World, *arguments: str) -> Answer:
    return world.run("cpu-resource", "vm3", *arguments)


def done(world: World, *arguments: str) -> str:
    answer = command(world, *arguments)
    assert (answer.code, answer.err.startswith("error")) == (0, False), answer.err
    return answer.out


# --- the status ---


@BACK_ENDS
def test_a_domain_without_groups_says_so(make: Make) -> None:
    assert done(make(runs=True)) == "CPU Resource Monitoring Group Status: no group found\n"


@BACK_ENDS
def test_the_status_lists_the_names_of_the_groups(make: Make) -> None:
    world = make(runs=True)
    for vcpus in EXAMPLE.values():
        done(world, "--create", "--vcpulist", vcpus)
    assert done(world) == (
        "CPU Resource Monitoring Group Status: \n"
        "    group name: vcpus_2\n"
        "    group name: vcpus_1\n"
        "    group name: vcpus_0,3\n"
    )


@BACK_ENDS
@pytest.mark.parametrize("arguments", [("--live",), ("--config",), ("--live", "--config")])
def test_the_status_is_that_of_the_state_that_is_named(make: Make, arguments: Sequence[str]) -> None:
    world = make(runs=True)
    done(world, "--create", "--group-name", "web", "--vcpulist", "0", *arguments)
    assert "group name: web" in done(world, *arguments)
    if "--config" not in arguments:
        assert done(world, "--config").endswith("no group found\n")


# --- the groups ---


@BACK_ENDS
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--vcpulist", "1"), "vcpus_1"),
        (("--vcpulist", "0,3"), "vcpus_0,3"),
        (("--vcpulist", "0,1,2"), "vcpus_0-2"),
        (("--vcpulist", "0-3,^1"), "vcpus_0,2-3"),
        (("--group-name", "web", "--vcpulist", "0,1"), "web"),
        (("--group-name", "vcpus_0-1"), "vcpus_0-1"),
        (("--group-name", "a-b_c.d,1", "--vcpulist", "0"), "a-b_c.d,1"),
    ],
)
def test_a_group_has_the_given_name_or_that_of_its_vcpus(make: Make, arguments: Sequence[str], name: str) -> None:
    world = make(runs=True)
    assert done(world, "--create", *arguments).startswith(f"group {name} created in ")
    assert f"    group name: {name}\n" in done(world)


@BACK_ENDS
@pytest.mark.parametrize(
    ("runs", "arguments", "live", "config"),
    [
        (True, (), {"web"}, set()),
        (True, ("--current",), {"web"}, set()),
        (True, ("--live",), {"web"}, set()),
        (True, ("--config",), set(), {"web"}),
        (False, (), set(), {"web"}),
        (False, ("--current",), set(), {"web"}),
        (False, ("--config",), set(), {"web"}),
    ],
)
def test_where_a_group_is_made_and_destroyed(
    make: Make, arguments: Sequence[str], live: set[str], config: set[str], *, runs: bool
) -> None:
    world = make(runs=runs)
    done(world, "--create", "--group-name", "web", "--vcpulist", "0", *arguments)
    assert (world.live(), world.config()) == (live, config)
    done(world, "--destroy", "--group-name", "web", *arguments)
    assert (world.live(), world.config()) == (set(), set())


@BACK_ENDS
def test_live_and_config_together_outlive_the_run_and_are_there_now(make: Make) -> None:
    """On KubeVirt what is configured works while the VMI runs, so that one group is both."""
    world = make(runs=True)
    done(world, "--create", "--group-name", "web", "--vcpulist", "0", "--live", "--config")
    assert "group name: web" in done(world, "--live")
    assert "group name: web" in done(world, "--config")
    done(world, "--destroy", "--group-name", "web", "--live", "--config")
    assert (world.live(), world.config()) == (set(), set())


@BACK_ENDS
@pytest.mark.parametrize("action", [("--create",), ("--destroy",), ()])
@pytest.mark.parametrize("arguments", [("--live",), ("--live", "--config")])
def test_live_of_a_domain_that_is_shut_off_is_refused(
    make: Make, action: Sequence[str], arguments: Sequence[str]
) -> None:
    given = ("--vcpulist", "0") if action else ()
    world = make(runs=False)
    done(world, "--create", "--group-name", "other", "--vcpulist", "3", "--config")
    refused = command(world, *action, *given, *arguments)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: Requested operation is not valid: domain is not running")


@BACK_ENDS
@pytest.mark.parametrize("one", ["--live", "--config"])
@pytest.mark.parametrize("action", ["--create", "--destroy"])
def test_current_excludes_live_and_config(make: Make, action: str, one: str) -> None:
    refused = command(make(runs=True), action, "--vcpulist", "0", "--current", one)
    assert (refused.code, refused.err) == (1, f"error: Options --current and {one} are mutually exclusive\n")


@BACK_ENDS
def test_a_group_is_destroyed_by_its_name_or_by_its_vcpus(make: Make) -> None:
    world = make(runs=True)
    for name in ("a", "b"):
        done(world, "--create", "--group-name", name, "--vcpulist", "0")
    done(world, "--create", "--vcpulist", "0-2")
    assert done(world, "--destroy", "--group-name", "a").startswith("group a destroyed in ")
    assert done(world, "--destroy", "--vcpulist", "0,1,2").startswith("group vcpus_0-2 destroyed in ")
    assert done(world, "--destroy", "--group-name", "b", "--vcpulist", "0").startswith("group b destroyed in ")
    assert done(world).endswith("no group found\n")


# --- the messages ---


@BACK_ENDS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--create",), "Option --create requires at least one of the options --group-name or --vcpulist"),
        (("--destroy",), "Cannot remove resource monitoring group: group name is NULL"),
        (("--create", "--destroy", "--vcpulist", "0"), "Options --create and --destroy are mutually exclusive"),
        (("--vcpulist", "0"), "unsupported action."),
        (("--group-name", "web"), "unsupported action."),
        (("--create", "--group-name", "web"), "no vcpus selected for modification"),
        (("--create", "--vcpulist", ""), "no vcpus selected for modification"),
        (("--create", "--vcpulist", "^1"), "no vcpus selected for modification"),
        (("--create", "--vcpulist", "2-1"), "no vcpus selected for modification"),
        (("--create", "--group-name", "a b", "--vcpulist", "0"), "bad resource monitoring group ID"),
        (("--create", "--group-name", "vcpus_1", "--vcpulist", "0"), "resource monitoring group id mismatch"),
        (
            ("--create", "--group-name", "there", "--vcpulist", "0"),
            "vcpus or group name conflicts with domain settings",
        ),
        (("--destroy", "--group-name", "there", "--vcpulist", "0"), "resource monitoring group id mismatch"),
        (
            ("--destroy", "--group-name", "none"),
            "Cannot remove resource monitoring group: no monitoring group 'none' found",
        ),
        (
            ("--destroy", "--vcpulist", "0"),
            "Cannot remove resource monitoring group: no monitoring group 'vcpus_0' found",
        ),
    ],
)
def test_a_refusal_begins_in_the_rfcs_words_and_changes_nothing(
    make: Make, arguments: Sequence[str], message: str
) -> None:
    world = make(runs=True)
    done(world, "--create", "--group-name", "there", "--vcpulist", "1")
    refused = command(world, *arguments)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"error: {message}")
    assert world.live() == {"there"}


@BACK_ENDS
def test_a_group_of_the_other_state_is_not_destroyed_by_the_way(make: Make) -> None:
    world = make(runs=True)
    done(world, "--create", "--group-name", "web", "--vcpulist", "0", "--config")
    refused = command(world, "--destroy", "--group-name", "web")
    assert refused.err.startswith(
        "error: Cannot remove resource monitoring group: 'web' is not in the live state of the domain but in "
    )
    assert refused.err.endswith("which is config; add --config\n")
    assert world.config() == {"web"}


# --- what the RFC refuses, and cells make possible ---


@BACK_ENDS
def test_groups_may_overlap(make: Make) -> None:
    world = make(runs=True)
    for name, vcpus in (("all", "0-3"), ("half", "0-1"), ("one", "1")):
        done(world, "--create", "--group-name", name, "--vcpulist", vcpus)
    assert world.live() == {"all", "half", "one"}


# --- domstats ---


def without_age(out: str) -> str:
    """What the RFC has: how old the figures are stands behind, under a key of our own."""
    return "".join(line for line in out.splitlines(keepends=True) if not line.startswith("  cachemon.age."))


@BACK_ENDS
@pytest.mark.parametrize("option", [(), ("--vcpu-cache",), ("--cpu-resource",)])
def test_domstats_has_the_rfcs_keys_for_every_group_and_cache_block(make: Make, option: Sequence[str]) -> None:
    world = make(runs=True)
    world.measures(
        EXAMPLE,
        {
            "vcpus_2": {0: 4415488, 1: 0},
            "vcpus_1": {0: 7839744, 1: 270336},
            "vcpus_0,3": {0: 53796864, 1: 1351680},
        },
    )
    answer = world.run("domstats", "vm3", *option)
    assert (answer.code, answer.err) == (0, "")
    assert without_age(answer.out) == (
        "Domain: 'vm3'\n"
        "  cpu.cacheoccupancy.vcpus_2.vcpus=2\n"
        "  cpu.cacheoccupancy.vcpus_2.0.value=4415488\n"
        "  cpu.cacheoccupancy.vcpus_2.1.value=0\n"
        "  cpu.cacheoccupancy.vcpus_1.vcpus=1\n"
        "  cpu.cacheoccupancy.vcpus_1.0.value=7839744\n"
        "  cpu.cacheoccupancy.vcpus_1.1.value=270336\n"
        "  cpu.cacheoccupancy.vcpus_0,3.vcpus=0,3\n"
        "  cpu.cacheoccupancy.vcpus_0,3.0.value=53796864\n"
        "  cpu.cacheoccupancy.vcpus_0,3.1.value=1351680\n"
    )


@BACK_ENDS
@pytest.mark.parametrize(
    ("vcpus", "expanded"), [("4-6", "4,5,6"), ("0-2,5", "0,1,2,5"), ("1,3-5", "1,3,4,5"), ("7", "7")]
)
def test_the_list_of_vcpus_is_expanded(make: Make, vcpus: str, expanded: str) -> None:
    """The RFC's own expander spoils mixed lists (facts of 38e9209dce); its text promises every vCPU."""
    world = make(runs=True)
    world.measures({f"vcpus_{vcpus}": vcpus}, {})
    assert f"  cpu.cacheoccupancy.vcpus_{vcpus}.vcpus={expanded}\n" in world.run("domstats", "vm3").out


@BACK_ENDS
def test_an_occupancy_of_more_than_32_bits_is_whole(make: Make) -> None:
    world = make(runs=True)
    world.measures({"web": "0"}, {"web": {0: 5_000_000_000}})
    assert "  cpu.cacheoccupancy.web.0.value=5000000000\n" in world.run("domstats", "vm3").out


@BACK_ENDS
def test_the_number_in_a_key_is_the_id_of_the_cache_block_and_no_position(make: Make) -> None:
    world = make(runs=True)
    world.measures({"web": "0"}, {"web": {8: 1, 14: 2}})
    keys = [line.strip() for line in without_age(world.run("domstats", "vm3").out).splitlines()[2:]]
    assert keys == ["cpu.cacheoccupancy.web.8.value=1", "cpu.cacheoccupancy.web.14.value=2"]


@BACK_ENDS
def test_libvirts_keys_count_and_have_the_id_beside(make: Make) -> None:
    world = make(runs=True)
    world.measures({"vcpus_0-2": "0-2"}, {"vcpus_0-2": {0: 5, 8: 7}})
    assert world.run("domstats", "vm3", "--format", "libvirt").out == (
        "Domain: 'vm3'\n"
        "  cpu.cache.monitor.count=1\n"
        "  cpu.cache.monitor.0.name=vcpus_0-2\n"
        "  cpu.cache.monitor.0.vcpus=0-2\n"
        "  cpu.cache.monitor.0.bank.count=2\n"
        "  cpu.cache.monitor.0.bank.0.id=0\n"
        "  cpu.cache.monitor.0.bank.0.bytes=5\n"
        "  cpu.cache.monitor.0.bank.1.id=8\n"
        "  cpu.cache.monitor.0.bank.1.bytes=7\n"
    )
