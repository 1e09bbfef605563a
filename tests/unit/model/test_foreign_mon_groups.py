from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.foreign_mon_groups import Holds, MonGroupContent, shown_beside
from cachemon.model.mon_groups import ROOT, MonGroupName

THEIRS = MonGroupName(ROOT, "theirs")
TIDS = st.frozensets(st.integers(1, 6), max_size=6)
PODS = st.frozensets(st.sampled_from([None, "pod-1", "pod-2", "pod-of-another"]), min_size=1)


def content(tids: frozenset[int], pods: frozenset[str | None]) -> MonGroupContent:
    return MonGroupContent(identity=17, tids=tids, pods=pods, version=1)


@given(TIDS, TIDS, PODS)
def test_a_mon_group_with_a_thread_outside_the_pods_of_the_vmi_is_never_shown(
    tids: frozenset[int], group: frozenset[int], pods: frozenset[str | None]
) -> None:
    shown = shown_beside(THEIRS, content(tids, pods), group, ("pod-1", "pod-2"))
    assert (shown is not None) == (bool(tids & group) and pods <= {"pod-1", "pod-2"})


@given(TIDS, TIDS)
def test_what_it_holds_follows_from_the_threads_that_only_one_of_the_two_has(
    tids: frozenset[int], group: frozenset[int]
) -> None:
    shown = shown_beside(THEIRS, content(tids, frozenset(["pod-1"])), group, ("pod-1",))
    if shown is None:
        assert not tids & group
        return
    missing, others = bool(group - tids), bool(tids - group)
    assert (
        shown.holds
        == {
            (False, False): Holds.EXACTLY_THE_GROUP,
            (True, False): Holds.PART_OF_THE_GROUP,
            (False, True): Holds.GROUP_AND_OTHERS,
            (True, True): Holds.PART_AND_OTHERS,
        }[missing, others]
    )


def test_a_vmi_without_pods_on_the_node_is_shown_nothing() -> None:
    assert shown_beside(THEIRS, content(frozenset([1]), frozenset(["pod-1"])), frozenset([1]), ()) is None
