import errno

import pytest

from resctrl_emulator.kernfs import Caller
from resctrl_emulator.tasks import parse_int
from tests.integration.emulator.fakes import Box, refuses

BOTH = pytest.mark.parametrize("profile", ["6.1", "7.3"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("123", 123), ("+123", 123), ("0x7b", 123), ("0X7B", 123), ("0173", 123), ("-0", 0), ("0", 0), ("-1", -1)],
)
def test_numbers_are_read_as_the_kernel_reads_them(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["", "abc", "99999999999", "1 2", "0x", "08", "--1", "1\n2", "+ 1", "1_0"])
def test_what_is_no_int_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_int(text)


@BOTH
@pytest.mark.parametrize("form", ["{}\n", "{}", "  {} \n", "+{}", "0x{:x}", "0{:o}", "{}\0junk"])
def test_a_tid_may_be_written_in_many_ways(profile: str, form: str) -> None:
    box = Box(profile=profile)
    box.mkdir("/mon_groups/a")
    tid = box.threads.process()
    text = form.format(tid)
    assert box.write("/mon_groups/a/tasks", text) == len(text)
    assert box.tids("/mon_groups/a") == [tid]


@pytest.mark.parametrize(
    ("text", "number", "status"),
    [
        ("999999\n", errno.ESRCH, "No task 999999\nError while processing task 999999\n"),
        ("-1\n", errno.EINVAL, "Invalid pid -1\n"),
        ("abc\n", errno.EINVAL, "Task list parsing error pid abc\n"),
        ("99999999999\n", errno.EINVAL, "Task list parsing error pid 99999999999\n"),
        (" \n", errno.EINVAL, "Task list parsing error pid \n"),
        ("1 2\n", errno.EINVAL, "Task list parsing error pid 1 2\n"),
        ("1\n2\n", errno.EINVAL, "Task list parsing error pid 1\n2\n"),
        (",1\n", errno.EINVAL, "Task list parsing error pid \n"),
    ],
)
def test_7_3_says_what_is_wrong_with_a_task(text: str, number: int, status: str) -> None:
    box = Box()
    box.mkdir("/mon_groups/a")
    with refuses(number):
        box.write("/mon_groups/a/tasks", text)
    assert box.status == status


@pytest.mark.parametrize("text", ["-1\n", "abc\n", "", "\n", " \n", "1,2\n", "1,\n", "99999999999\n"])
def test_6_1_leaves_the_status_as_it_was_when_the_text_is_bad(text: str) -> None:
    box = Box(profile="6.1")
    box.mkdir("/mon_groups/a")
    with refuses(errno.ESRCH):
        box.write("/mon_groups/a/tasks", "999999\n")
    with refuses(errno.EINVAL):
        box.write("/mon_groups/a/tasks", text)
    assert box.status == "No task 999999\n"


def test_7_3_takes_lists_in_turn_and_stops_at_the_first_error() -> None:
    box = Box()
    box.mkdir("/mon_groups/a")
    first, second, third = (box.threads.process() for _ in range(3))
    with refuses(errno.ESRCH):
        box.write("/mon_groups/a/tasks", f"{first},999999,{third}\n")
    assert box.tids("/mon_groups/a") == [first]
    for text in (f"{first}, {second}\n", f"{third},", "", "\n"):
        assert box.write("/mon_groups/a/tasks", text) == len(text)
    assert box.tids("/mon_groups/a") == [first, second, third]
    assert box.status == "ok\n"


@BOTH
def test_more_than_a_page_is_too_big(profile: str) -> None:
    box = Box(profile=profile)
    with refuses(errno.E2BIG):
        box.write("/tasks", "1" * 4097)


@BOTH
def test_zero_is_the_thread_that_writes(profile: str) -> None:
    box = Box(profile=profile)
    box.mkdir("/mon_groups/a")
    tid = box.threads.process(uid=1000)
    box.write("/mon_groups/a/tasks", "0\n", Caller(uid=1000, gid=1000, tid=tid))
    assert box.tids("/mon_groups/a") == [tid]


@pytest.mark.parametrize(
    ("profile", "status"),
    [
        ("7.3", "No permission to move task {0}\nError while processing task {0}\n"),
        ("6.1", "No permission to move task {0}\n"),
    ],
)
def test_a_user_moves_his_own_threads_only(profile: str, status: str) -> None:
    box = Box(profile=profile)
    box.mkdir("/mon_groups/a")
    mine, other = box.threads.process(uid=1000), box.threads.process(uid=0)
    me = Caller(uid=1000, gid=1000, tid=mine)
    box.write("/mon_groups/a/tasks", f"{mine}\n", me)
    with refuses(errno.EPERM):
        box.write("/mon_groups/a/tasks", f"{other}\n", me)
    assert box.status == status.format(other)
    assert box.tids("/mon_groups/a") == [mine]
