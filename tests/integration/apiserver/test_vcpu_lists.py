"""The API server and the model must agree on what a vCPU list is."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiException

from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MOST_LISTED
from cachemon.model.vcpus import ALL, LONGEST_LIST, MAX_VCPU_ID, format_vcpus, parse_vcpus
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from tests.integration.apiserver.dry_run import dry_run, place
from tests.unit.plugin.fake_api import Plugin

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


SETS = st.sets(st.integers(0, 60), min_size=1, max_size=30) | st.sets(st.integers(0, 16383), max_size=150, min_size=1)


@settings(max_examples=10, deadline=None)
@given(st.lists(SETS, min_size=1, max_size=64))
def test_the_api_server_accepts_every_list_that_the_model_writes(
    control_plane: ControlPlane, place: str, sets: list[set[int]]
) -> None:
    written = [text for text in map(format_vcpus, sets) if len(text) <= LONGEST_LIST]
    while sum(map(len, written)) > MOST_LISTED:
        written.pop()
    assert refused_lists(control_plane, place, written) == set()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sets(st.integers(10, 40), max_size=30), min_size=1, max_size=64))
def test_the_api_server_accepts_a_range_without_some_of_its_ids(
    control_plane: ControlPlane, place: str, left_out: list[set[int]]
) -> None:
    texts = [",".join(["10-40", *(f"^{i}" for i in sorted(out))]) for out in left_out]
    assert refused_lists(control_plane, place, [t for t in texts if len(t) <= 128]) == set()


@pytest.mark.parametrize("count", [40, 128, 512])
def test_what_import_prints_of_every_second_vcpu_is_what_the_api_server_takes(
    control_plane: ControlPlane, place: str, count: int
) -> None:
    lists = [",".join(map(str, range(first, count, 2))) for first in (0, 1)]
    tunes = "".join(f"<cachetune vcpus='{n}'><monitor level='3' vcpus='{n}'/></cachetune>" for n in lists)
    xml = f"<domain><name>bigdb</name><vcpu>{count}</vcpu><cputune>{tunes}</cputune></domain>"
    printed = Plugin().run("import", "-", "-o", "yaml", stdin=xml)
    (made,) = yaml.safe_load(printed.out)["items"]
    dry_run(control_plane, place, made["spec"])


def test_a_long_list_that_is_not_ascending_is_refused_with_a_reason(control_plane: ControlPlane, place: str) -> None:
    long = ",".join(map(str, range(0, 128, 2)))
    for text in (f"{long},1", f"127,{long}", f"{long},^2", f"{long},300-200"):
        assert refused_lists(control_plane, place, [text]) == {0}
    assert refused_lists(control_plane, place, [long, f"{long},300-400"]) == set()


def test_lists_have_a_bound_together(control_plane: ControlPlane, place: str) -> None:
    text = ",".join(map(str, range(1000, 1140, 2)))
    groups = [{"name": f"g{number}", "vcpus": text} for number in range(24)]
    assert sum(len(group["vcpus"]) for group in groups) > MOST_LISTED
    with pytest.raises(ApiException) as refused:
        dry_run(control_plane, place, {"vmiName": "vm3", "groups": groups})
    assert "must not have more than 8192 characters together" in message_of(refused.value)


def test_a_long_list_with_ids_left_out_leaves_one(control_plane: ControlPlane, place: str) -> None:
    out = ",".join(f"^{number}" for number in range(15))
    assert refused_lists(control_plane, place, [f"0-14,{out}", f"0-15,{out}"]) == {0}
