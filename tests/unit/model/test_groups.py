from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import (
    MonitoringGroup,
    check_groups,
    check_name,
    default_name,
    digest_of,
    parse_group,
    parse_groups,
    parse_unchecked_group,
    render_group,
)
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


def test_all_vcpus_are_wanted_whatever_their_number_and_nothing_else() -> None:
    qemu = make_qemu(1, vcpus=range(3), classes=(ThreadClass.IO_THREAD,))
    wanted = [thread.vcpu for thread in qemu.threads if parse_group({"vcpus": "all"}).wants(thread)]
    assert wanted == [0, 1, 2]


def test_an_unchecked_item_names_the_classes_of_threads_that_there_are() -> None:
    every = ["IOThread", "Emulator", "Vhost"]
    assert parse_unchecked_group({"name": "x", "threads": every}).threads == {*ThreadClass} - {ThreadClass.VCPU}
    with pytest.raises(InvalidInputError, match=r"up to 3 of IOThread, Emulator, Vhost$"):
        parse_unchecked_group({"name": "x", "threads": [*every, "Vhost"]})


def test_an_unchecked_list_is_no_longer_than_the_api_server_takes() -> None:
    with pytest.raises(InvalidInputError, match="has 1199 characters, and at most 1024 are valid"):
        parse_unchecked_group({"name": "x", "vcpus": ",".join("0" * 600)})


def test_groups_that_differ_in_anything_have_another_digest() -> None:
    items: list[dict[str, Any]] = [{"vcpus": "0"}, {"vcpus": "1"}, {"vcpus": "all"}, {"vcpus": "0", "name": "x"}]
    items += [{"vcpus": "0", "name": "x", "threads": ["Vhost"]}, {"name": "x", "threads": ["Vhost"]}]
    lists = [[], items[:2], *([item] for item in items)]
    assert len({digest_of(map(parse_group, groups)) for groups in lists}) == len(lists)
    assert digest_of([parse_group({"vcpus": "0,1"})]) == digest_of(
        [parse_group({"vcpus": "0-1", "name": "vcpus_0,1"})]
    )


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


EVERY_SECOND = ",".join(map(str, range(0, 128, 2)))
SETS = st.sets(st.integers(0, 16383), min_size=1, max_size=200)


@given(st.lists(SETS, min_size=2, max_size=2, unique_by=frozenset))
def test_the_name_that_a_list_gives_always_fits_and_no_two_lists_share_one(sets: list[set[int]]) -> None:
    lists = [str(VcpuSet.of(ids)) for ids in sets]
    names = [default_name(text) for text in lists]
    assert names[0] != names[1]
    for text, name in zip(lists, names, strict=True):
        assert check_name(name) == name
        assert (name == f"vcpus_{text}") == (len(text) <= 57)


def test_the_name_of_every_second_vcpu_says_how_many_ids_it_leaves_out() -> None:
    assert default_name(EVERY_SECOND) == "vcpus_0,2,4,6,8,10,12,14,16,18,20,22,24,26_and_50_more_47d14aa4"
    assert parse_group({"vcpus": EVERY_SECOND}).name == default_name(EVERY_SECOND)
    assert render_group(parse_group({"vcpus": EVERY_SECOND})) == {"vcpus": EVERY_SECOND}


def test_groups_are_checked_before_they_are_written() -> None:
    def groups(number: int, vcpus: str) -> list[MonitoringGroup]:
        return [parse_group({"name": f"g{n}", "vcpus": vcpus}) for n in range(number)]

    check_groups(groups(64, "0"))
    check_groups(groups(40, EVERY_SECOND))
    for wrong, why in (
        (groups(65, "0"), "there are 65 groups, and at most 64 are allowed"),
        (groups(1, "0") * 2, "two groups have the name 'g0'"),
        (groups(41, EVERY_SECOND), "have 8200 characters together, and at most 8192 are valid"),
        ([parse_group({"name": "a b", "vcpus": "0"})], "bad resource monitoring group ID 'a b'"),
        ([parse_group({"vcpus": ",".join(map(str, range(0, 600, 2)))})], "at most 1024 are valid"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            check_groups(wrong)
