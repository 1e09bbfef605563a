"""Lists, names and files as long as they can be made: each is refused at once, in few words."""

import json
import tracemalloc
from collections.abc import Callable

import pytest

from cachemon.host.agent.live_groups import parse_live
from cachemon.host.wire import parse_group_request
from cachemon.libvirt.metadata import NAMESPACE
from cachemon.libvirt.running import read_running
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.vcpus import check_list
from lab.speed import allowance
from tests.unit.processor_time import least_seconds

WIDE = "0-16383"
UUID = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3"
MEBIBYTE = 1 << 20


def peak_bytes_of(action: Callable[[], object]) -> int:
    """The most bytes at once."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def domain(groups: str) -> bytes:
    inside = f'<groups xmlns="{NAMESPACE}">{groups}</groups>'
    return f"<domain><name>vm1</name><vcpu>4</vcpu><metadata>{inside}</metadata></domain>".encode()


METADATA = {
    "64 lists of 2.4 KiB": "".join(
        f'<resmongroup id="g{number}" vcpus="{",".join([WIDE] * 300)}"/>' for number in range(MOST_GROUPS)
    ),
    "64 of the widest lists that are valid": "".join(
        f'<resmongroup id="g{number}" vcpus="{",".join([WIDE] * 16)}"/>' for number in range(MOST_GROUPS)
    ),
    "thousands of groups": "".join(f'<resmongroup id="g{number}" vcpus="{WIDE}"/>' for number in range(3500)),
    "a long name": f'<resmongroup id="{"a" * 156_000}" vcpus="0"/>',
    "a long list of classes": f'<resmongroup id="a" threads="{"IOThread," * 17_000}"/>',
}


@pytest.mark.parametrize("groups", METADATA.values(), ids=METADATA)
def test_metadata_of_any_length_costs_next_to_nothing(groups: str) -> None:
    xml = domain(groups)
    read_running(UUID, "vm1", domain(""))
    assert least_seconds(lambda: read_running(UUID, "vm1", xml)) < allowance(0.1)
    assert peak_bytes_of(lambda: read_running(UUID, "vm1", xml)) < 2 * MEBIBYTE
    state = read_running(UUID, "vm1", xml)
    assert len(state.problem) < 1000
    assert bool(state.problem) == (len(state.groups) != MOST_GROUPS)


REQUESTS = {
    "a list of 64 KiB": {"name": "a", "vcpus": ",".join([WIDE] * 8000)},
    "ids left out one by one": {"name": "a", "vcpus": WIDE + ",^1" * 20_000},
    "a long name": {"name": "a" * 64_000, "vcpus": "0"},
    "a long class": {"name": "a", "threads": ["x" * 64_000]},
    "many classes": {"name": "a", "threads": ["IOThread"] * 6000},
    "a long field": {"name": "a", "vcpus": "0", "x" * 64_000: 1},
}


@pytest.mark.parametrize("body", REQUESTS.values(), ids=REQUESTS)
def test_a_request_of_64_kib_is_refused_at_once_and_in_few_words(body: dict[str, object]) -> None:
    def ask() -> None:
        with pytest.raises(InvalidInputError) as refused:
            parse_group_request(body)
        assert len(str(refused.value)) < 500

    assert least_seconds(ask) < allowance(0.05)
    assert peak_bytes_of(ask) < MEBIBYTE


def test_a_list_that_is_valid_as_written_is_valid_as_it_is_kept() -> None:
    left_out = ",".join([WIDE, *(f"^{number}" for number in range(10001, 10094, 3))])
    check_list(left_out)
    kept = parse_group_request({"name": "a", "vcpus": left_out}).vcpus
    check_list(str(kept))


def test_a_file_of_live_groups_gives_no_domain_more_than_it_may_have() -> None:
    groups = [{"name": f"g{number}", "vcpus": WIDE} for number in range(1000)]
    content = json.dumps({"version": 1, "runs": [{"uuid": UUID, "pid": 1, "startTime": 1, "groups": groups}]})
    parsed = parse_live(content.encode())
    assert len(parsed.runs[UUID].groups) == MOST_GROUPS
    assert len(parsed.problems) == 1


def test_a_domain_with_more_vcpus_than_there_can_be_costs_nothing() -> None:
    xml = b"<domain><name>vm1</name><vcpu current='999999999'>4</vcpu></domain>"
    assert read_running(UUID, "vm1", xml).vcpu_count == 999999999


def test_more_monitors_than_a_machine_has_rmids_are_not_compared_with_each_other() -> None:
    tunes = "".join(f"<cachetune vcpus='{n}'><monitor level='3' vcpus='{n}'/></cachetune>" for n in range(4096))
    xml = f"<domain><name>vm1</name><vcpu>4096</vcpu><cputune>{tunes}</cputune></domain>".encode()
    assert least_seconds(lambda: read_running(UUID, "vm1", xml)) < allowance(1)
    assert "at most 1024 are read" in read_running(UUID, "vm1", xml).problem
