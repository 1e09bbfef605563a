import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator

import pytest

from cachemon.host.commands.host_arguments import SORT_KEYS, build_parser
from cachemon.host.commands.host_session import HostSession
from cachemon.host.commands.host_top import VIEWS, HostTop, print_csv
from cachemon.host.wire import BlockUse, HostBlock, HostReport
from cachemon.model.errors import AgentUnreachableError
from cachemon.model.group_reports import BlockReport
from tests.unit.host.commands.fake_host import NOW, FakeAgent, Host, elsewhere, group

MIB = 2**20
MONITOR = "<cachetune vcpus='0-3'><monitor level='3' vcpus='0-3'/></cachetune>"


def figures(occupancy: int | None, local: int | None = None, total: int | None = None) -> BlockReport:
    reading = "Unavailable" if occupancy is None else "Valid"
    return BlockReport(0, occupancy, None, None, reading, local, total)


@pytest.fixture
def host() -> Host:
    """One domain with two groups, one with a monitor of libvirt's own, one with none."""
    made = Host()
    made.libvirt.put("vm1", groups=[group("first", "0"), group("rest", "1-3")])
    made.libvirt.put("tuned", cputune=MONITOR)
    made.libvirt.put("idle")
    made.agent.blocks = {
        "first": (figures(5 * MIB, 10**8, 3 * 10**8),),
        "rest": (figures(MIB, 10**6, 10**6),),
        "vcpus_0-3": (figures(20 * MIB, 0, 5 * 10**9),),
    }
    made.agent.uses = {
        "vm1": (BlockUse(0, 6 * MIB, 301 * 10**6, 101 * 10**6),),
        "tuned": (BlockUse(0, 20 * MIB, 5 * 10**9, 0),),
    }
    made.agent.host_blocks = (HostBlock(0, 64 * MIB, 40 * MIB), HostBlock(8, 64 * MIB, None, "Unavailable"))
    return made


def lines(host: Host, *arguments: str) -> list[list[str]]:
    done = host.run("top", *arguments)
    assert done.code == 0, done.err
    assert all(len(line) < 80 for line in done.out.splitlines())
    return [line.split() for line in done.out.splitlines()]


def test_domains_are_sorted_by_what_they_hold_and_their_groups_summed_up(host: Host) -> None:
    assert lines(host) == [
        ["DOMAIN", "HELD", "BANDWIDTH", "AGE", "CACHE"],
        ["tuned", "20Mi", "5000M", "2s", "[##...]", "31%"],
        ["vm1", "6.0Mi", "301M", "2s", "[.....]", "9%"],
        ["idle", "-", "-", "-", "NoGroup"],
    ]


def test_groups_say_who_keeps_them(host: Host) -> None:
    assert lines(host, "--by", "group", "--no-headers") == [
        ["tuned", "vcpus_0-3", "libvirt", "20Mi", "5000M", "2s", "[##...]", "31%"],
        ["vm1", "first", "config", "5.0Mi", "300M", "2s", "[.....]", "8%"],
        ["vm1", "rest", "config", "1.0Mi", "1000k", "2s", "[.....]", "2%"],
    ]


def test_cache_blocks_say_who_holds_most(host: Host) -> None:
    assert lines(host, "--by", "block", "--no-headers") == [
        ["0", "40Mi", "64Mi", "tuned", "20Mi", "2s", "[###..]", "62%"],
        ["8", "-", "64Mi", "-", "2s", "Unavailable"],
    ]
    assert "leave names of domains and --csv out" in host.run("top", "vm1", "--by", "block").err


def test_a_sum_that_lacks_a_group_is_at_least_that_and_says_why(host: Host) -> None:
    host.agent.states["first"] = ("Waiting", "OutOfRMIDs", "needs 1 RMID")
    host.agent.blocks["first"] = ()
    host.agent.uses["vm1"] = (BlockUse(0, MIB, 10**6, 10**6),)
    assert lines(host, "vm1", "--no-headers") == [
        ["vm1", ">1.0Mi", "1000k", "2s", "[.....]", "2%", "OutOfRMIDs"],
    ]


def test_groups_that_overlap_so_that_no_sum_is_right_have_none(host: Host) -> None:
    host.agent.uses["vm1"] = (BlockUse(0),)
    assert lines(host, "vm1", "--no-headers") == [["vm1", "-", "-", "2s", "NoSum"]]


def test_wide_has_capacity_local_bandwidth_and_trend(host: Host) -> None:
    assert [line.split() for line in host.run("top", "vm1", "-o", "wide").out.splitlines()] == [
        ["DOMAIN", "HELD", "OF", "BANDWIDTH", "LOCAL", "AGE", "TREND", "CACHE"],
        ["vm1", "6.0Mi", "64Mi", "301M", "101M", "2s", "-", "[.....]", "9%"],
    ]


def test_a_domain_is_named_as_virsh_has_it(host: Host) -> None:
    for named in ("tuned", "2", host.libvirt.all["tuned"].uuid):
        assert [line[0] for line in lines(host, named, "--no-headers")] == ["tuned"]
    assert [line[0] for line in lines(host, "vm1", "idle", "--no-headers")] == ["vm1", "idle"]
    done = host.run("top", "other")
    assert (done.code, done.out) == (1, "")
    assert "has no domain 'other'" in done.err


def test_why_a_number_is_missing_stands_beside_it(host: Host) -> None:
    host.agent.blocks["rest"] = (figures(None),)
    host.agent.states["first"] = ("Waiting", "OutOfRMIDs", "needs 1 RMID")
    host.agent.blocks["first"] = ()
    assert lines(host, "vm1", "--by", "group", "--no-headers") == [
        ["vm1", "first", "config", "-", "-", "-", "OutOfRMIDs"],
        ["vm1", "rest", "config", "-", "-", "2s", "Unavailable"],
    ]


def test_old_figures_are_not_shown_and_stderr_says_how_old(host: Host) -> None:
    host.agent.observed_time = "2026-09-21T14:12:00Z"
    assert lines(host, "vm1", "--no-headers") == [["vm1", "-", "-", "80s(old)", "AgentNotReporting"]]
    assert "the figures are 80s old" in host.run("top").err


def test_what_keeps_the_agent_from_its_work_is_said(host: Host) -> None:
    host.agent.problem = "libvirt is away"
    assert host.run("top").err == "libvirt is away\n"


def test_without_domains_it_says_where_to_look() -> None:
    done = Host().run("top")
    assert done.out == "nothing is monitored here\n"
    assert "virsh list --all" in done.err


def test_without_an_agent_it_says_how_to_start_it(host: Host) -> None:
    host.agent.away = True
    done = host.run("top")
    assert (done.code, done.out) == (1, "")
    assert "nobody answers" in done.err
    host.other_agent = lambda: elsewhere("qemu+ssh://node7/system")
    assert "ssh -fnNT" in host.run("top").err


def test_json_and_csv_have_the_words_of_libvirt_and_exact_bytes(host: Host) -> None:
    assert json.loads(host.run("top", "vm1", "-o", "json").out) == [
        {
            "occupancyBytes": 6 * MIB,
            "capacityBytes": 64 * MIB,
            "ageSeconds": 2,
            "domain": "vm1",
            "totalBytesPerSecond": 301_000_000,
            "localBytesPerSecond": 101_000_000,
            "atLeast": False,
        }
    ]
    assert host.run("top", "vm1", "--by", "group", "-o", "csv").out.splitlines() == [
        "domain,group,kept,occupancyBytes,capacityBytes,ageSeconds,reason,totalBytesPerSecond,localBytesPerSecond",
        f"vm1,first,config,{5 * MIB},{64 * MIB},2,,300000000,100000000",
        f"vm1,rest,config,{MIB},{64 * MIB},2,,1000000,1000000",
    ]


def test_lines_over_time_have_pqoss_columns_and_units(host: Host) -> None:
    host.agent.blocks["first"] = (figures(1536, 3 * MIB, 5 * MIB),)
    host.agent.blocks["rest"] = (figures(0, None, MIB // 2),)
    done = host.run("top", "--csv", "--once", "--by", "group")
    assert done.out.splitlines()[0] == "Time,Domain,Group,Kept,LLC[KB],MBL[MB/s],MBR[MB/s],MBT[MB/s]"
    assert [line.partition(",")[2] for line in done.out.splitlines()[1:]] == [
        "tuned,vcpus_0-3,libvirt,20480.0,0.0,4768.4,4768.4",
        "vm1,first,config,1.5,3.0,2.0,5.0",
        "vm1,rest,config,0.0,,,0.5",
    ]
    assert "\r" not in done.out


def test_a_domain_without_figures_has_no_line(host: Host) -> None:
    rows = list(csv.DictReader(io.StringIO(host.run("top", "--csv", "--once").out)))
    assert [row["Domain"] for row in rows] == ["tuned", "vm1"]


def test_a_sample_is_printed_once_however_often_it_is_seen(host: Host) -> None:
    done = host.run("top", "--csv", "--no-headers", "--interval", "0.01", "--duration", "0.05")
    assert [line.split(",")[1] for line in done.out.splitlines()] == ["tuned", "vm1"]


async def times(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


class Recorded(FakeAgent):
    """Answers with samples of these times; None is no answer."""

    def __init__(self, host: Host, samples: list[str | None]) -> None:
        super().__init__(host.libvirt.all.values)
        self.blocks, self.uses = host.agent.blocks, host.agent.uses
        self.samples = samples

    async def domains(self) -> HostReport:
        sample = self.samples.pop(0)
        self.away, self.observed_time = sample is None, sample or ""
        return await super().domains()


def recorded_csv(host: Host, *samples: str | None) -> tuple[list[str], str]:
    """What is printed of some samples: lines without their figures, and stderr."""
    out, err = io.StringIO(), io.StringIO()
    agent = Recorded(host, list(samples))
    session = HostSession(host.libvirt.connect, agent, out=out, err=err, clock=lambda: NOW)
    args = build_parser().parse_args(["host", "top", "--csv"])
    asyncio.run(print_csv(HostTop(args, session, ()), times(len(samples))))
    return [
        line[17:].partition(",20480")[0].partition(",6144")[0] for line in out.getvalue().splitlines()
    ], err.getvalue()


def test_an_agent_that_is_away_for_a_while_is_a_gap_and_stderr_says_so_once(host: Host) -> None:
    lines, errors = recorded_csv(host, "2026-09-21T14:13:10Z", None, None, "2026-09-21T14:13:15Z")
    assert lines[1:] == ["10,tuned", "10,vm1", "15,tuned", "15,vm1"]
    assert errors == "nobody answers at /run/cachemon/host.sock\n"


def test_an_agent_that_is_away_from_the_start_is_an_error(host: Host) -> None:
    with pytest.raises(AgentUnreachableError):
        recorded_csv(host, None)


def test_a_name_that_a_spreadsheet_would_compute_is_guarded(host: Host) -> None:
    host.libvirt.put("=1+1", groups=[group("first", "0")])
    host.agent.uses["=1+1"] = (BlockUse(0, 5 * MIB),)
    assert "'=1+1,5120.0," in host.run("top", "=1+1", "--csv", "--once").out
    assert "\n'=1+1," in host.run("top", "=1+1", "-o", "csv").out
    assert json.loads(host.run("top", "=1+1", "-o", "json").out)[0]["domain"] == "=1+1"


def test_lines_over_time_and_a_table_as_data_exclude_each_other(host: Host) -> None:
    assert "leave one of both out" in host.run("top", "--csv", "-o", "json").err
    assert "--interval 0 must be above 0" in host.run("top", "--csv", "--interval", "0").err


def test_every_column_has_an_order_and_every_order_a_column() -> None:
    found = {column.key for _, columns in VIEWS.values() for column in columns} | {"age", "trend"}
    assert set(SORT_KEYS) == found | {"share", "name", "reason"}
