import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from cachemon.host.commands.host_page import HostPage
from cachemon.host.commands.host_page_states import vm_key
from cachemon.host.commands.host_session import HostSession
from cachemon.host.history_wire import HostHistory, HostSeries, SeriesKey
from cachemon.host.wire import BlockUse, HostBlock
from cachemon.interference.verdicts import Judgement
from cachemon.model.errors import AgentError
from cachemon.model.group_reports import BlockReport
from cachemon.model.times import format_time
from cachemon.web.page_history import PageHistory
from cachemon.web.page_source import Subject
from cachemon.web.page_state import PageState
from tests.unit.host.commands.fake_host import NOW, Host, group
from tests.unit.host.commands.judged import known, likely

T = TypeVar("T")
ODD = "%2F ü#?'.."


class Page:
    """A page of a host whose clock and agent a test moves."""

    def __init__(self) -> None:
        self.host = Host()
        self.now = NOW
        self.source = HostPage(
            HostSession(self.host.libvirt.connect, self.host.agent, out=io.StringIO(), clock=lambda: self.now), "kvm1"
        )

    def refresh(self, seconds: float = 0.0) -> PageState:
        """The state this much later."""
        self.now += seconds
        self.host.agent.observed_time = format_time(self.now)
        asyncio.run(self.source.refresh())
        return self.source.state()

    def silent(self, seconds: float) -> PageState:
        """The state when the agent has been silent for so long."""
        self.now += seconds
        self.host.agent.away = True
        rounds = iter([None])

        async def once(_: float) -> None:
            if next(rounds, self) is self:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.source.run(once))
        self.host.agent.away = False
        return self.source.state()

    def ask(self, question: Callable[[HostPage], Awaitable[T]]) -> T:
        async def ask() -> T:
            return await question(self.source)

        return asyncio.run(ask())

    def history(self, *, node: str = "", vm: str = "", seconds: float = 3600) -> PageHistory:
        found = self.ask(lambda source: source.history(Subject(node, vm), seconds))
        assert found is not None
        return found


@pytest.fixture
def page() -> Page:
    """One domain with a group, and one without."""
    made = Page()
    made.host.libvirt.put("vm1", groups=[group("web", "0-2")])
    made.host.libvirt.put("bare vm")
    made.host.agent.blocks = {"web": (BlockReport(0, 5, 50, 60, "Valid", 1, 2),)}
    made.host.agent.uses = {"vm1": (BlockUse(0, 5, 2),)}
    made.host.agent.host_blocks = (HostBlock(0, 100, 30),)
    return made


def test_the_host_has_its_blocks_with_who_holds_them(page: Page) -> None:
    state = page.refresh()
    node = state["nodes"]["kvm1"]
    assert (node["ready"], node["agent"], node["rmids"]) == ("True", "0.1.0", {"ours": 2, "others": 1, "total": 64})
    assert node["observed"] == NOW
    (block,) = node["blocks"]
    assert (block["capacity"], block["occupancy"], block["monitored"], block["unattributed"]) == (100, 30, 5, 25)
    assert list(block["holders"]) == [("vm1", 5)]
    assert (state["source"]["kind"], state["source"]["title"], state["source"]["namespace"]) == ("host", "kvm1", "")


def test_a_domain_has_its_sums_and_its_groups_by_keeper(page: Page) -> None:
    vm = page.refresh()["vms"]["vm1"]
    assert (vm["node"], vm["ready"], vm["occupancy"], vm["bandwidth"], vm["atLeast"]) == ("kvm1", "True", 5, 2, False)
    assert list(vm["blocks"]) == [{"id": 0, "occupancy": 5, "capacity": 100, "bandwidth": 2}]
    (found,) = vm["groups"]
    assert (found["object"], found["name"], found["vcpus"], found["state"]) == ("config", "web", "0-2", "Monitored")
    assert found["blocks"][0]["localBandwidth"] == 1
    assert vm["places"] == [{"node": "kvm1", "from": NOW, "until": None}]


def test_domains_without_groups_are_a_remark_with_the_command(page: Page) -> None:
    state = page.refresh()
    assert list(state["vms"]) == ["vm1"]
    (remark,) = state["remarks"]
    assert remark.startswith("without a group, so not shown: bare vm; to show bare vm: ")
    assert remark.endswith("`cachemon host cpu-resource 'bare vm' --create --vcpulist all`")


def test_a_group_that_waits_makes_the_sum_a_least(page: Page) -> None:
    page.host.agent.states["web"] = ("Waiting", "OutOfRMIDs", "needs 1, 0 are free")
    vm = page.refresh()["vms"]["vm1"]
    assert (vm["ready"], vm["reason"], vm["atLeast"]) == ("False", "OutOfRMIDs", True)
    assert vm["message"] == "web: needs 1, 0 are free"


def test_an_answer_about_verdicts_that_takes_long_makes_no_figures_old(page: Page) -> None:
    def take_long() -> None:
        page.now += 60
        page.host.agent.observed_time = format_time(page.now)

    page.host.agent.before_verdicts = take_long
    assert page.refresh()["vms"]["vm1"]["ready"] == "True"


def test_figures_of_a_silent_agent_end_to_hold_and_come_back(page: Page) -> None:
    page.refresh()
    soon = page.silent(5)
    assert soon["source"]["problem"] == "nobody answers at /run/cachemon/host.sock"
    assert soon["vms"]["vm1"]["occupancy"] == 5
    late = page.silent(60)
    node, vm = late["nodes"]["kvm1"], late["vms"]["vm1"]
    assert (node["ready"], node["reason"], node["blocks"][0]["occupancy"]) == ("Unknown", "AgentNotReporting", None)
    assert (node["blocks"][0]["holders"], node["blocks"][0]["unattributed"]) == ([], None)
    assert (vm["ready"], vm["occupancy"], vm["bandwidth"], vm["blocks"][0]["occupancy"]) == (
        "Unknown",
        None,
        None,
        None,
    )
    assert vm["groups"][0]["blocks"][0]["occupancy"] is None
    again = page.refresh(2)
    assert (again["source"]["problem"], again["vms"]["vm1"]["occupancy"]) == ("", 5)


def test_a_page_does_not_begin_without_an_agent(page: Page) -> None:
    page.host.agent.away = True
    with pytest.raises(AgentError, match="nobody answers"):
        page.refresh()


def test_verdicts_have_both_domains_and_the_host(page: Page) -> None:
    page.host.agent.judged = known({"vm1": Judgement.DISTURBED}, likely("vm1", "vm9"))
    state = page.refresh()
    (verdict,) = state["nodes"]["kvm1"]["verdicts"]
    assert (verdict["node"], verdict["block"], verdict["victim"], verdict["suspect"]) == ("kvm1", 0, "vm1", "vm9")
    undisturbed = state["vms"]["vm1"]["undisturbed"]
    assert undisturbed is not None
    assert (undisturbed["status"], undisturbed["reason"]) == ("False", "Likely")
    assert "the traffic of vm9 rose" in undisturbed["message"]
    assert [marker["kind"] for marker in page.history(node="kvm1")["markers"]] == ["verdict"]


@pytest.mark.parametrize(
    ("judgement", "status"), [(Judgement.UNDISTURBED, "True"), (Judgement.TOO_YOUNG, "Unknown"), (None, None)]
)
def test_whether_a_domain_is_undisturbed(page: Page, judgement: Judgement | None, status: str | None) -> None:
    page.host.agent.judged = known({"vm1": judgement} if judgement else {})
    found = page.refresh()["vms"]["vm1"]["undisturbed"]
    assert (found and found["status"]) == status


def test_history_is_the_agents_hour_and_then_what_the_page_saw(page: Page) -> None:
    key = SeriesKey("vm1", "", "", 0)
    web = SeriesKey("vm1", "config", "web", 0)
    times = (NOW - 40, NOW - 30, NOW - 20, NOW - 10)
    page.host.agent.kept = HostHistory(
        10.0,
        times,
        (HostSeries(key, [1, None, 3, 4], [9, 9, 9, 9]), HostSeries(web, [1, 2, 3, 4], [None] * 4)),
    )
    page.refresh()
    page.host.agent.uses["vm1"] = (BlockUse(0, 6, 7),)
    page.refresh(2)
    found = page.history(vm="vm1")
    assert list(found["times"]) == [*times, NOW, NOW + 2]
    series = {it["group"]: it for it in found["series"]}
    assert list(series[""]["occupancy"]) == [1, None, 3, 4, 5, 6]
    assert list(series[""]["bandwidth"]) == [9, 9, 9, 9, 2, 7]
    assert list(series["config/web"]["occupancy"]) == [1, 2, 3, 4, 5, 5]
    assert [part["origin"] for part in found["parts"]] == ["agent", "page"]
    assert [part["from"] for part in found["parts"]] == [NOW - 40, NOW]


def test_the_history_of_the_host_has_its_blocks_and_all_domains(page: Page) -> None:
    block, domain = SeriesKey("", "", "", 0), SeriesKey("vm1", "", "", 0)
    page.host.agent.kept = HostHistory(
        10.0, (NOW - 10,), (HostSeries(block, [20], [None]), HostSeries(domain, [4], [1]))
    )
    page.refresh()
    found = page.history(node="kvm1")
    assert [(it["id"], it["capacity"], list(it["occupancy"])) for it in found["blocks"]] == [(0, 100, [20, 30])]
    assert [(it["vm"], list(it["occupancy"])) for it in found["series"]] == [("vm1", [4, 5])]


def test_an_agent_that_did_not_sample_leaves_a_gap(page: Page) -> None:
    page.host.agent.kept = HostHistory(
        10.0, (NOW - 500, NOW - 100), (HostSeries(SeriesKey("vm1", "", "", 0), [1, 2], [1, 2]),)
    )
    page.refresh()
    (series,) = (it for it in page.history(vm="vm1")["series"] if not it["group"])
    assert list(series["occupancy"]) == [1, None, 2, None, 5], "a figure holds for three steps"


def test_a_domain_that_has_ended_is_marked_and_keeps_its_history(page: Page) -> None:
    page.refresh()
    del page.host.libvirt.all["vm1"]
    state = page.refresh(2)
    assert "vm1" not in state["vms"]
    found = page.history(vm="vm1")
    assert [marker["kind"] for marker in found["markers"]] == ["stopped"]
    assert [series["occupancy"][-1] for series in found["series"]] == [None, None]


def test_without_the_agent_there_is_the_history_of_the_page(page: Page) -> None:
    page.refresh()
    page.host.agent.away = True
    found = page.history(vm="vm1")
    assert list(found["times"]) == [NOW]
    assert found["remarks"] == ["nobody answers at /run/cachemon/host.sock"]


@pytest.mark.parametrize("subject", [Subject(node="other"), Subject(vm="nobody")])
def test_nothing_is_known_of_others(page: Page, subject: Subject) -> None:
    page.refresh()
    assert page.ask(lambda source: source.history(subject, 60)) is None


def test_why_is_the_page_of_the_command(page: Page) -> None:
    page.host.agent.judged = known({"vm1": Judgement.DISTURBED}, likely("vm1", "vm9"))
    page.refresh()
    answer = page.ask(lambda source: source.why("vm1"))
    assert answer is not None
    assert answer["text"].startswith("Likely, for 12m: the traffic of vm9 rose")
    assert "virsh migrate --live vm1 qemu+ssh://HOST/system" in answer["commands"]
    assert page.ask(lambda source: source.why("nobody")) is None


@pytest.mark.parametrize("name", ["a/b", ODD, "vm-1", "ünï"])
def test_names_of_domains_have_no_slash_and_come_back(page: Page, name: str) -> None:
    page.host.libvirt.put(name, groups=[group("io", "0")])
    page.host.agent.blocks["io"] = (BlockReport(0, 7),)
    page.host.agent.uses[name] = (BlockUse(0, 7, None),)
    state = page.refresh()
    key = vm_key(name)
    assert "/" not in key
    assert state["vms"][key]["occupancy"] == 7
    assert page.ask(lambda source: source.why(key)) is not None
    assert {series["vm"] for series in page.history(vm=key)["series"]} == {key}
