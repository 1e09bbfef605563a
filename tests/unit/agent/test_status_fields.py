import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.agent.node_fields import node_status
from cachemon.agent.status_fields import group_status, monitored_condition, signature
from cachemon.agent.status_size import MOST_STATUS_BYTES, fitted
from cachemon.agent.targets import BoundLayout, BoundTargetLayout
from cachemon.engine.figures import (
    OCCUPANCY,
    TOTAL_TRAFFIC,
    BlockFigure,
    Count,
    Figures,
    NodeBlockFigure,
    PackageFigure,
    ShareFigure,
    Traffic,
)
from cachemon.engine.layout import GroupLayout, GroupState, NodeFacts, TargetLayout, unavailable_layout
from cachemon.interference.stay_fields import stay_item
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Outcome
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.groups import GroupKey, parse_groups
from cachemon.model.numbers import LARGEST_INTEGER
from cachemon.model.readings import BlockShare, CacheBlock, Missing, Reading
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS, Package, Telemetry
from tests.unit.agent.builders import (
    BLOCKS,
    FACTS,
    NOTHING_READ,
    make_group,
    make_layout,
    make_object,
    make_target,
    mon_group,
)
from tests.unit.agent.crd_schema import complaints, status_schema
from tests.unit.interference.made_stays import make_stay
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict

NOW = "2026-11-22T08:00:00Z"
GROUP_SCHEMA, NODE_SCHEMA = status_schema("cachemonitorgroups"), status_schema("cachemonitornodes")
READINGS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from(Missing))
MOST_GROUPS = 64  # of spec.groups in the CRD
RATES = st.one_of(st.none(), st.integers(0, 2**70))


def figures_of(
    layout: BoundTargetLayout, occupancy: Reading, rate: int | None, blocks: tuple[CacheBlock, ...] = BLOCKS
) -> Figures:
    traffic = {TOTAL_TRAFFIC: Traffic(10**12, rate)}
    return Figures(
        wall_time=1.8e9,
        groups={
            GroupKey(layout.uid, group.group.name): tuple(BlockFigure(block, occupancy, traffic) for block in blocks)
            for group in layout.groups
            if group.mon_groups
        },
        objects={layout.uid: {block.id: occupancy for block in blocks}},
        rates={layout.uid: rate},
        node=tuple(NodeBlockFigure(block, occupancy, occupancy) for block in blocks),
        lacking=frozenset(
            GroupKey(layout.uid, group.group.name)
            for group in layout.groups
            if rate is None or isinstance(occupancy, Missing)
        ),
    )


def target_layout(*groups: GroupLayout, **changes: Any) -> BoundTargetLayout:
    return TargetLayout(make_target(make_object(**changes)), groups, (), has_all_vcpus=True)


BOTH = (make_group("a", [mon_group(0)]), make_group("b", [], GroupState.WAITING))


@given(READINGS, RATES)
def test_a_groups_status_keeps_to_the_schema(occupancy: Reading, rate: int | None) -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, figures_of(layout, occupancy, rate), NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []


@given(READINGS, RATES)
def test_a_nodes_status_keeps_to_the_schema(occupancy: Reading, rate: int | None) -> None:
    layout = make_layout((make_target(), BOTH))
    figures = figures_of(layout.targets[0], occupancy, rate)
    status = node_status(layout, figures, period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []


def test_the_widest_status_keeps_to_the_schema() -> None:
    blocks = tuple(CacheBlock(3, id_ * 7, 2**53 - 1, "0," * 700) for id_ in range(128))
    names = [f"vcpus_{'0-1,' * 31}{n:04d}" for n in range(64)]
    (group,) = parse_groups([{"vcpus": "0"}])
    groups = [
        GroupLayout(group, GroupState.DEGRADED, max(Reason, key=len), "m" * 5000, (0,), 1, (mon_group(n),))
        for n in range(64)
    ]
    renamed = [
        GroupLayout(
            parse_groups([{"name": name, "vcpus": "0"}])[0], g.state, g.reason, g.message, g.vcpus, 1, g.mon_groups
        )
        for name, g in zip(names, groups, strict=True)
    ]
    layout = make_layout((make_target(), renamed), node=FACTS)
    figures = figures_of(layout.targets[0], 2**64 - 1, 2**64, blocks)
    assert list(complaints(GROUP_SCHEMA, group_status(layout.targets[0], figures, NOW))) == []
    assert list(complaints(NODE_SCHEMA, node_status(layout, figures, period_seconds=60, before=[], now=NOW))) == []


DISTURBED = make_node_verdicts(
    make_logged(make_verdict("tenant-a/vm3", block=8)),
    make_logged(make_verdict("tenant-a/vm3", OTHERS), Outcome.ENDED),
)


def test_a_judged_groups_status_has_a_condition_with_the_time_of_its_minute_and_a_report() -> None:
    layout = target_layout(*BOTH)
    figures = replace(figures_of(layout, 5, 5), verdicts=DISTURBED, minute_verdicts=DISTURBED)
    status = group_status(layout, figures, NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    undisturbed = status["conditions"][1]
    assert (undisturbed["type"], undisturbed["status"], undisturbed["reason"]) == ("Undisturbed", "False", "Likely")
    assert undisturbed["lastTransitionTime"] == "2027-01-15T08:10:00Z"
    assert status["interference"]["slowdownPercent"] == 21
    assert status["summary"]["interference"] == "Likely Cache 21%"


def test_a_judged_groups_status_has_what_is_usual_for_the_vm() -> None:
    layout = target_layout(*BOTH)
    known = NodeVerdicts(typical={"tenant-a/vm3": make_stay().typical})
    status = group_status(layout, replace(figures_of(layout, 5, 5), minute_verdicts=known), NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    assert status["typical"] == [stay_item(make_stay("node01", ""))]


def test_a_group_that_is_not_disturbed_has_the_condition_alone() -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, replace(figures_of(layout, 5, 5), minute_verdicts=NodeVerdicts()), NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    (undisturbed,) = status["conditions"][1:]
    assert (undisturbed["type"], undisturbed["status"]) == ("Undisturbed", "Unknown")
    assert undisturbed["lastTransitionTime"] == "2027-01-15T08:00:00Z", (
        "before the first window it is the time of now"
    )
    assert "interference" not in {**status, **status["summary"]}


def test_a_judged_nodes_status_has_the_verdicts_of_each_block_and_the_ratio() -> None:
    layout = make_layout((make_target(), BOTH))
    figures = replace(figures_of(layout.targets[0], 5, 5), verdicts=DISTURBED)
    status = node_status(layout, figures, period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []
    assert [[it.get("outcome") for it in block["verdicts"]] for block in status["cacheBlocks"]] == [["Ended"], [None]]
    assert status["interferenceRatio"] == "0.210"


def test_where_nobody_judges_a_nodes_status_has_neither() -> None:
    layout = make_layout((make_target(), BOTH))
    status = node_status(layout, figures_of(layout.targets[0], 5, 5), period_seconds=60, before=[], now=NOW)
    assert "interference" not in json.dumps(status)
    assert not any("verdicts" in block for block in status["cacheBlocks"])


def refusing(refused: int, *groups: GroupLayout) -> BoundTargetLayout:
    """An object some of whose groups are beyond what its VMI may have."""
    layout = target_layout(*groups)
    beyond = parse_groups([{"name": f"g{number}", "vcpus": "0-16383"} for number in range(refused)])
    return replace(layout, target=replace(layout.target, refused=beyond))


def test_a_refused_group_says_so_in_few_words_and_the_condition_names_the_limit() -> None:
    layout = refusing(2, *BOTH)
    status = group_status(layout, figures_of(layout, 5, 5), NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    assert [group["name"] for group in status["groups"]] == ["a", "b", "g0", "g1"]
    assert status["groups"][2] == {"name": "g0", "state": "Refused", "reason": "TooManyGroups"}
    assert status["summary"]["groups"] == "1/4"
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "TooManyGroups")
    assert condition["message"].startswith("2 of 4 groups are refused: a VMI has at most 64 groups")
    assert "b: vCPU 1 has no thread yet" in condition["message"]


def test_an_object_whose_groups_are_all_refused_has_a_small_status() -> None:
    status = group_status(refusing(64), NOTHING_READ, NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    assert status["summary"] == {"groups": "0/64"}
    assert len(json.dumps(status)) < 64 * 80


def test_a_group_that_is_refused_or_no_longer_makes_the_report_urgent() -> None:
    one, other = (signature(refusing(number, *BOTH), NOTHING_READ) for number in (1, 2))
    assert one.state != other.state


def test_the_check_against_the_schema_does_complain() -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, figures_of(layout, 5, 5), NOW)
    broken = [
        {**status, "extra": 1},
        {**status, "observedTime": 5},
        {**status, "groups": [{"name": "x" * 141, "state": "Good"}]},
        {**status, "groups": [{"state": "Waiting"}]},
        {**status, "conditions": [{**status["conditions"][0], "reason": "two words"}]},
    ]
    assert [len(list(complaints(GROUP_SCHEMA, each))) for each in broken] == [1, 1, 2, 1, 1]


def test_a_node_without_resctrl_says_why_and_nothing_else() -> None:
    err = ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it " * 1000)
    layout = unavailable_layout([make_target()], err)
    status = node_status(layout, NOTHING_READ, period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []
    assert "cacheBlocks" not in status
    assert (status["conditions"][0]["status"], status["conditions"][0]["reason"]) == ("False", "ResctrlNotMounted")
    group = group_status(layout.targets[0], NOTHING_READ, NOW)
    assert list(complaints(GROUP_SCHEMA, group)) == []
    assert [item["reason"] for item in group["groups"]] == ["ResctrlNotMounted"]


@given(st.text(st.characters(), max_size=3000))
def test_whatever_a_message_quotes_the_status_can_be_sent_and_shown(text: str) -> None:
    quoting = GroupLayout(make_group("a", []).group, GroupState.WAITING, Reason.RESCTRL_REFUSED, text, (), 0, ())
    status = group_status(target_layout(quoting), NOTHING_READ, NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    for message in (status["groups"][0]["message"], status["conditions"][0]["message"]):
        assert message.isprintable()
        assert message.encode().decode() == message


def test_a_name_with_terminal_controls_is_shown_without_them() -> None:
    name = "mon_group \x1b[31m\udcff\n is another's"
    quoting = GroupLayout(make_group("a", []).group, GroupState.WAITING, Reason.RESCTRL_REFUSED, name, (), 0, ())
    status = group_status(target_layout(quoting), NOTHING_READ, NOW)
    assert status["groups"][0]["message"] == "mon_group ?[31m?? is another's"


def test_exact_integers_go_into_fields_and_short_ones_into_the_summary() -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, figures_of(layout, 53_796_864, 900_000_000), NOW)
    assert status["summary"] == {
        "groups": "1/2", "blocks": "0=51Mi,8=51Mi", "occupancy": "103Mi", "memoryBandwidth": "900M",
    }  # fmt: skip
    first, second = status["groups"]
    assert first["cacheBlocks"][0] == {
        "level": 3, "id": 0, "capacityBytes": 64 << 20, "reading": "Valid", "occupancyBytes": 53_796_864,
        "memoryBandwidth": {"totalBytesPerSecond": 900_000_000},
    }  # fmt: skip
    assert (first["state"], first["vcpus"], first["threads"]) == ("Monitored", [0, 1], 2)
    assert (second["state"], second["reason"]) == ("Waiting", "VCPUThreadMissing")
    assert "cacheBlocks" not in second


def test_what_was_not_read_is_no_number_anywhere() -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, figures_of(layout, Missing.UNAVAILABLE, None), NOW)
    (block, _) = status["groups"][0]["cacheBlocks"]
    assert block == {"level": 3, "id": 0, "capacityBytes": 64 << 20, "reading": "Unavailable"}
    assert status["summary"] == {"groups": "1/2", "blocks": "0=Unavailable,8=Unavailable"}


def test_integers_stay_exact_for_readers_with_floats() -> None:
    layout = target_layout(*BOTH)
    status = group_status(layout, figures_of(layout, 2**64 - 1, None), NOW)
    assert status["groups"][0]["cacheBlocks"][0]["occupancyBytes"] == LARGEST_INTEGER
    assert float(LARGEST_INTEGER) == LARGEST_INTEGER


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((make_group("a", [mon_group(0)]),), ("True", "Monitored", "1 group monitored")),
        (
            (make_group("a", [mon_group(0)]), make_group("b", [mon_group(1)])),
            ("True", "Monitored", "2 groups monitored"),
        ),
        (BOTH, ("False", "VCPUThreadMissing", "b: vCPU 1 has no thread yet")),
    ],
)
def test_the_condition_names_the_groups_that_lack_something(
    groups: tuple[GroupLayout, ...], expected: tuple[str, str, str]
) -> None:
    condition = monitored_condition(target_layout(*groups))
    assert (condition.status, condition.reason, condition.message) == expected


def test_the_condition_reports_a_spec_that_is_not_valid() -> None:
    layout = target_layout(spec={"groups": [{"vcpus": "3-1"}]})
    status = group_status(layout, NOTHING_READ, NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    assert status["conditions"][0]["reason"] == "InvalidSpec"
    assert "correct spec.groups" in status["conditions"][0]["message"]


def test_the_transition_time_of_the_condition_is_kept_from_the_object() -> None:
    old = {
        "type": "Monitored",
        "status": "True",
        "reason": "x",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    layout = target_layout(BOTH[0], status={"conditions": [old]})
    (condition,) = group_status(layout, NOTHING_READ, NOW)["conditions"]
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_a_signature_changes_with_states_and_not_with_figures() -> None:
    layout = target_layout(*BOTH)
    mark = signature(layout, figures_of(layout, 5, 100))
    assert signature(layout, figures_of(layout, 999, 7)) == mark
    assert signature(layout, figures_of(layout, Missing.ERROR, 7)) != mark
    assert signature(layout, figures_of(layout, 5, None)) != mark
    assert signature(target_layout(*BOTH, generation=2), figures_of(layout, 5, 100)) != mark
    assert (
        signature(
            target_layout(make_group("a", [mon_group(0)], GroupState.DEGRADED), BOTH[1]), figures_of(layout, 5, 1)
        )
        != mark
    )


@pytest.mark.pitfall(29)
def test_the_largest_status_is_one_that_etcd_takes() -> None:
    groups = [replace(make_group(f"{n:0>63}", [mon_group(n)]), vcpus=tuple(range(256))) for n in range(MOST_GROUPS)]
    layout = target_layout(*groups)
    blocks = tuple(CacheBlock(3, 1000 + number, 1 << 40, "") for number in range(64))  # two sockets have 32 at most
    figures = figures_of(layout, 2**64, 2**60, blocks)
    status = group_status(layout, figures, NOW)
    assert list(complaints(GROUP_SCHEMA, status)) == []
    assert len(status["groups"]) == MOST_GROUPS
    assert len(json.dumps(status)) < 1_500_000


def test_the_largest_groups_of_a_block_come_first_and_are_five() -> None:
    groups = [make_group(name, [mon_group(name)]) for name in "abcdefg"]
    layout = make_layout((make_target(), groups))
    sizes = dict(zip("abcdefg", (3, 9, 0, 7, 7, 1, 2), strict=True))
    uid = layout.targets[0].uid
    figures = Figures(
        wall_time=1.8e9,
        groups={GroupKey(uid, name): (BlockFigure(BLOCKS[0], size, {}),) for name, size in sizes.items()},
        node=(NodeBlockFigure(BLOCKS[0], 50, 29), NodeBlockFigure(BLOCKS[1], 50, Missing.ERROR)),
    )
    first, second = node_status(layout, figures, period_seconds=60, before=[], now=NOW)["cacheBlocks"]
    assert [(item["group"], item["occupancyBytes"]) for item in first["heaviestGroups"]] == [
        ("b", 9), ("d", 7), ("e", 7), ("a", 3), ("g", 2),
    ]  # fmt: skip
    assert (first["occupancyBytes"], first["monitoredBytes"], first["unattributedBytes"]) == (50, 29, 21)
    assert (second["reading"], second["occupancyBytes"]) == ("Error", 50)
    assert "unattributedBytes" not in second
    assert "heaviestGroups" not in second


def vmi_figures(**sizes: tuple[Reading, Reading]) -> tuple[BoundLayout, Figures]:
    """VMIs that are watched by an object each, and what they hold of the two cache blocks."""
    layout = make_layout(*((make_target(make_object(name)), [make_group("g", [mon_group(name)])]) for name in sizes))
    blocks = {name: tuple(map(BlockFigure, BLOCKS, held, ({}, {}))) for name, held in sizes.items()}
    guests = {target.object.guest_name: blocks[target.object.vmi_name] for target in layout.targets}
    return layout, Figures(wall_time=1.8e9, guests=guests, node=tuple(NodeBlockFigure(it, 50, 29) for it in BLOCKS))


def test_the_largest_vmi_is_named_of_each_block_and_of_the_node() -> None:
    layout, figures = vmi_figures(left=(9, 0), both=(6, 7), idle=(0, 0))
    status = node_status(layout, figures, period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []
    named = [[(item["name"], item["occupancyBytes"]) for item in it["heaviestVMIs"]] for it in status["cacheBlocks"]]
    assert named == [[("left", 9), ("both", 6)], [("both", 7)]]
    assert [(item["name"], item["occupancyBytes"]) for item in status["heaviestVMIs"]] == [("both", 13), ("left", 9)]
    assert status["summary"]["heaviestVMI"] == "tenant-a/both=13"


def test_no_vmi_is_called_the_nodes_largest_while_one_can_not_be_judged() -> None:
    layout, figures = vmi_figures(known=(9, 9), unknown=(1, Missing.UNAVAILABLE))
    status = node_status(layout, figures, period_seconds=60, before=[], now=NOW)
    assert "heaviestVMIs" not in status
    assert "heaviestVMI" not in status["summary"]
    assert [item["name"] for item in status["cacheBlocks"][0]["heaviestVMIs"]] == ["known", "unknown"]


def test_a_kernel_without_occupancy_still_has_a_node_status() -> None:
    facts = NodeFacts(num_rmids=9, events=(TOTAL_TRAFFIC,), blocks=BLOCKS, assign_mode="mbm_event")
    status = node_status(make_layout(node=facts), NOTHING_READ, period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []
    assert status["counterAssignMode"] == "mbm_event"
    assert OCCUPANCY not in status["monitoringEvents"]


def package_figure(energy: int, rate: int | None, missing: Missing | None = None) -> PackageFigure:
    return PackageFigure(Package(1), missing, dict.fromkeys((*ENERGY_EVENTS, *PERF_EVENTS), Count(energy, rate)))


@given(st.integers(0, 2**100), RATES, st.one_of(st.none(), st.sampled_from(Missing)))
def test_telemetry_keeps_to_the_schema(energy: int, rate: int | None, missing: Missing | None) -> None:
    layout = make_layout((make_target(), [make_group("a", [mon_group(0)])]), node=WITH_TELEMETRY)
    figures = replace(
        NOTHING_READ, packages={GroupKey("uid-of-vm3", "a"): (package_figure(min(energy, 2**90), rate, missing),)}
    )
    assert not [*complaints(GROUP_SCHEMA, group_status(layout.targets[0], figures, NOW))]
    assert not [*complaints(NODE_SCHEMA, node_status(layout, figures, period_seconds=60, before=(), now=NOW))]


WITH_TELEMETRY = replace(
    FACTS,
    events=(OCCUPANCY,),
    telemetry=Telemetry(48, ENERGY_EVENTS),
    packages=(Package(0), Package(1)),
    unread_resources=("MB_MON",),
)


def test_energy_is_exact_and_power_is_in_milliwatts() -> None:
    layout = make_layout((make_target(), [make_group("a", [mon_group(0)])]), node=WITH_TELEMETRY)
    figure = package_figure(1_234_000_001_000, 4_250_600_000)
    status = group_status(
        layout.targets[0], replace(NOTHING_READ, packages={GroupKey("uid-of-vm3", "a"): (figure,)}), NOW
    )
    assert status["groups"][0]["packages"] == [
        {
            "id": 1,
            "reading": "Valid",
            "coreEnergyJoules": "1234.000001",
            "activityFarads": "1234.000001",
            "corePowerMilliwatts": 4251,
            "unhaltedCoreCyclesPerSecond": 4,
            "uopsRetiredPerSecond": 4,
            "stallsLLCMissPerSecond": 4,
        }
    ]


def test_a_node_says_what_it_offers_beside_caches_and_what_is_not_read() -> None:
    status = node_status(make_layout(node=WITH_TELEMETRY), NOTHING_READ, period_seconds=60, before=(), now=NOW)
    assert status["telemetry"] == {"rmids": 48, "events": ["core_energy", "activity"], "packages": [0, 1]}
    assert status["unreadResources"] == ["MB_MON"]
    (condition,) = status["conditions"]
    assert condition["message"] == (
        "2 cache blocks, events llc_occupancy; memory bandwidth is not read: this kernel has it in info/MB_MON, by "
        "memory and not by cache block"
    )


@pytest.mark.parametrize("ids", [(1, 122, 4_194_305, 2**32 - 1), tuple(range(0, 240, 10))], ids=["MPAM", "24 caches"])
def test_any_cache_ids_keep_to_the_schema_and_fit_a_status(ids: tuple[int, ...]) -> None:
    cpus = ",".join(map(str, range(0, 512, 2)))[:1000].rpartition(",")[0]
    blocks = tuple(CacheBlock(3, id_, 32 << 20, cpus) for id_ in ids)
    groups = [make_group(f"group-{n}", [mon_group(n)]) for n in range(12)]
    layout = make_layout((make_target(), groups), node=replace(FACTS, blocks=blocks))
    figures = figures_of(layout.targets[0], 31 << 20, 10**10, blocks)
    group, node = (
        group_status(layout.targets[0], figures, NOW),
        node_status(layout, figures, period_seconds=60, before=(), now=NOW),
    )
    assert [*complaints(GROUP_SCHEMA, group), *complaints(NODE_SCHEMA, node)] == []
    assert fitted(group, MOST_STATUS_BYTES) is group, "twelve groups on 24 caches need no cut"
    assert [block["id"] for block in group["groups"][11]["cacheBlocks"]] == list(ids)
    assert [block["id"] for block in node["cacheBlocks"]] == list(ids)
    assert all(block["cpus"] == cpus for block in node["cacheBlocks"])


def test_columns_of_a_node_with_24_caches_count_what_they_leave_out() -> None:
    blocks = tuple(CacheBlock(3, number, 32 << 20, "") for number in range(24))
    layout = make_layout((make_target(), BOTH), node=FACTS)
    figures = figures_of(layout.targets[0], 32 << 20, None, blocks)
    node = node_status(layout, figures, period_seconds=60, before=[], now=NOW)["summary"]
    assert node["blocks"] == "0=32Mi/32Mi,1=32Mi/32Mi,2=32Mi/32Mi,+21"
    group = group_status(layout.targets[0], figures, NOW)["summary"]
    assert group["blocks"] == "0=32Mi,1=32Mi,2=32Mi,3=32Mi,4=32Mi,5=32Mi,+18"


def test_a_kernel_with_many_events_does_not_cost_the_node_its_status() -> None:
    events = (TOTAL_TRAFFIC, *(f"mbm_event_of_a_later_kernel_{number}" for number in range(30)))
    layout = make_layout((make_target(), BOTH), node=replace(FACTS, events=events))
    status = node_status(layout, figures_of(layout.targets[0], 1, 1), period_seconds=60, before=[], now=NOW)
    assert list(complaints(NODE_SCHEMA, status)) == []
    assert status["summary"]["events"] == "mbm_total_bytes,+30"


def test_the_message_about_many_groups_names_whole_ones_and_counts_the_others() -> None:
    groups = [
        replace(make_group(f"group-{number}", [], GroupState.WAITING), reason=Reason.OUT_OF_RMIDS, message="m" * 200)
        for number in range(64)
    ]
    message = monitored_condition(target_layout(*groups)).message
    assert len(message) <= 4096
    *named, more = message.split("; ")
    assert [text.partition(":")[0] for text in named] == [f"group-{number}" for number in range(len(named))]
    assert more == f"+{64 - len(named)}"


def test_numa_nodes_of_a_cache_block_stand_beside_its_sum() -> None:
    target = target_layout(make_group("a", [mon_group(0)]))
    key = GroupKey(target.uid, "a")
    moved = {TOTAL_TRAFFIC: Traffic(7, 5)}
    shares = (
        ShareFigure(BlockShare(0, 0), 3072, moved),
        ShareFigure(BlockShare(0, 1), Missing.UNAVAILABLE, moved),
        ShareFigure(BlockShare(8, 2), 1024, {TOTAL_TRAFFIC: Traffic(7, None)}),
    )
    status = group_status(target, replace(figures_of(target, 4096, 9), shares={key: shares}), NOW)
    assert not [*complaints(GROUP_SCHEMA, status)]
    first, second = status["groups"][0]["cacheBlocks"]
    assert (first["occupancyBytes"], first["numaNodes"]) == (
        4096,
        [
            {"id": 0, "reading": "Valid", "occupancyBytes": 3072, "memoryBandwidth": {"totalBytesPerSecond": 5}},
            {"id": 1, "reading": "Unavailable", "memoryBandwidth": {"totalBytesPerSecond": 5}},
        ],
    )
    assert second["numaNodes"] == [{"id": 2, "reading": "Valid", "occupancyBytes": 1024}]
