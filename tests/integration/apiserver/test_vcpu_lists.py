"""The API server and the model must agree on what a vCPU list is."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiException

from cachemon.model.errors import InvalidInputError
from cachemon.model.vcpus import ALL, MAX_VCPU_ID, format_vcpus, parse_vcpus
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from tests.integration.apiserver.dry_run import dry_run, place

__all__ = ["place"]


def refused_lists(control_plane: ControlPlane, place: str, lists: list[str]) -> set[int]:
    """Which of up to 64 lists the API server refuses: a group for each in one object."""
    groups = [{"name": f"g{i}", "vcpus": text} for i, text in enumerate(lists)]
    try:
        dry_run(control_plane, place, {"vmiName": "vm3", "groups": groups})
    except ApiException as error:
        if error.status != 422:
            raise
        return {int(index) for index in re.findall(r"spec\.groups\[(\d+)\]\.vcpus: ", message_of(error))}
    return set()


IDS = st.one_of(st.integers(0, 4), st.integers(MAX_VCPU_ID - 1, MAX_VCPU_ID + 1)).map(str)
ITEMS = st.one_of(
    IDS,
    st.tuples(IDS, IDS).map("-".join),
    IDS.map("^{}".format),
    IDS.map("0{}".format),
    st.text(st.sampled_from("0123^-, xa\u0663"), max_size=4),
)
LISTS = st.one_of(st.just(ALL), st.lists(ITEMS, min_size=1, max_size=8).map(",".join))


@settings(max_examples=15, deadline=None)
@given(st.lists(LISTS, min_size=30, max_size=64))
def test_what_the_api_server_accepts_the_model_can_parse(
    control_plane: ControlPlane, place: str, lists: list[str]
) -> None:
    refused = refused_lists(control_plane, place, lists)
    for index, text in enumerate(lists):
        if index not in refused and text != ALL:
            try:
                assert parse_vcpus(text)
            except InvalidInputError as error:
                raise AssertionError(f"accepted by the API server: {text!r}") from error


SETS = st.sets(st.integers(0, 60), min_size=1, max_size=30)


@settings(max_examples=10, deadline=None)
@given(st.lists(SETS, min_size=1, max_size=64))
def test_the_api_server_accepts_every_list_that_the_model_writes(
    control_plane: ControlPlane, place: str, sets: list[set[int]]
) -> None:
    written = [text for text in map(format_vcpus, sets) if len(text) <= 128]
    assert refused_lists(control_plane, place, written) == set()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sets(st.integers(10, 40), max_size=30), min_size=1, max_size=64))
def test_the_api_server_accepts_a_range_without_some_of_its_ids(
    control_plane: ControlPlane, place: str, left_out: list[set[int]]
) -> None:
    texts = [",".join(["10-40", *(f"^{i}" for i in sorted(out))]) for out in left_out]
    assert refused_lists(control_plane, place, [t for t in texts if len(t) <= 128]) == set()
