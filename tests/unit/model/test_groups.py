from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, parse_group, parse_groups, render_group
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import VcpuSet
from tests.unit.model.worlds import make_qemu


def test_without_groups_there_is_one_of_all_vcpus() -> None:
    (group,) = parse_groups(None)
    assert (group.name, group.all_vcpus, group.threads) == ("vcpus_all", True, frozenset())


@pytest.mark.parametrize(
    ("item", "name", "vcpus", "threads"),
    [
        ({"vcpus": "0,3"}, "vcpus_0,3", {0, 3}, set()),
        ({"vcpus": "0-3,^1"}, "vcpus_0-3,^1", {0, 2, 3}, set()),
        ({"name": "db", "vcpus": "1"}, "db", {1}, set()),
        ({"name": "io", "threads": ["IOThread", "Vhost"]}, "io", None, {ThreadClass.IO_THREAD, ThreadClass.VHOST}),
        ({"name": "x", "vcpus": "0", "threads": ["Emulator"]}, "x", {0}, {ThreadClass.EMULATOR}),
    ],
)
def test_an_item_of_the_spec_is_read(
    item: Mapping[str, Any], name: str, vcpus: set[int] | None, threads: set[ThreadClass]
) -> None:
    group = parse_group(item)
    assert group.name == name
    assert group.vcpus == (None if vcpus is None else VcpuSet.of(vcpus))
    assert group.threads == threads
    assert not group.all_vcpus
    assert group.wants_vcpus == (vcpus is not None)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({}, "must have `vcpus` or `threads`"),
        ({"name": "a"}, "must have `vcpus` or `threads`"),
        ({"name": "a", "threads": []}, "must have `vcpus` or `threads`"),
        ({"name": "a", "threads": ["Worker"]}, "must be one of"),
        ({"name": "a", "threads": ["VCPU"]}, "use `vcpus`"),
        ({"vcpus": "3-1"}, "must not run backwards"),
        ({"vcpus": "ALL"}, "must be N, N-M or"),
    ],
)
def test_an_item_that_is_not_valid_is_refused(item: Mapping[str, Any], why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        parse_group(item)


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="unique"):
        parse_groups([{"vcpus": "0"}, {"name": "vcpus_0", "vcpus": "1"}])


def test_a_group_wants_its_vcpus_and_thread_classes_and_nothing_else() -> None:
    group = parse_group({"name": "x", "vcpus": "1", "threads": ["IOThread"]})
    qemu = make_qemu(1, vcpus=range(3), classes=(ThreadClass.IO_THREAD, ThreadClass.VHOST))
    wanted = [(t.thread_class, t.vcpu) for t in qemu.threads if group.wants(t)]
    assert wanted == [(ThreadClass.VCPU, 1), (ThreadClass.IO_THREAD, None)]


NAMES = st.from_regex(r"\A[A-Za-z0-9]([-A-Za-z0-9_.,^]{0,20}[A-Za-z0-9])?\Z")
CLASSES = st.frozensets(st.sampled_from([ThreadClass.IO_THREAD, ThreadClass.EMULATOR, ThreadClass.VHOST]))


LISTS = st.frozensets(st.integers(0, 300), min_size=1).map(VcpuSet.of)


@given(st.none() | LISTS, st.booleans(), CLASSES, st.none() | NAMES)
def test_a_group_comes_back_from_the_item_that_is_written_for_it(
    vcpus: VcpuSet | None,
    every: bool,  # noqa: FBT001  hypothesis gives it
    threads: frozenset[ThreadClass],
    name: str | None,
) -> None:
    vcpus = None if every else vcpus
    assume(every or vcpus or (threads and name))
    group = parse_group(render_group(MonitoringGroup(name or "x", vcpus, every, threads)))
    assert (group.name, group.vcpus, group.all_vcpus, group.threads) == (name or "x", vcpus, every, threads)


def test_a_name_that_a_group_would_have_anyhow_is_not_written() -> None:
    assert render_group(parse_group({"vcpus": "0-3"})) == {"vcpus": "0-3"}
    assert render_group(parse_group({"vcpus": "all"})) == {"vcpus": "all"}
    assert render_group(parse_group({"vcpus": "1,0"})) == {"name": "vcpus_1,0", "vcpus": "0-1"}
