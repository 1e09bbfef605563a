import re

import pytest

from cachemon.commands.sparklines import UNICODE
from cachemon.commands.why_page import render_page
from cachemon.model.api import ObjectName, Resource
from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError
from cachemon.model.reasons import Reason
from cachemon.plugin.why import Known, page_of
from tests.unit.plugin.disturbed import (
    ended,
    group,
    interference,
    machine,
    movable,
    plugin,
    series,
    slowed,
    undisturbed,
    verdict,
)
from tests.unit.plugin.fake_api import GROUPS, NODES, NOW, VMIS, Plugin, cmg, ready, vmi

ADMINISTRATORS = """\
Likely, for 12m: the traffic of tenant-b/vm3 rose when the cache of ns/vm2 fell
by 7.5Mi, and ns/vm2 takes 21 % more cycles for the same work.

  ns/vm2 on node01, cache block 0; judged 2s ago
  Now: holds 3.0Mi of 32Mi, traffic 472MB/s; 2s ago
  Before: Likely Cache, with tenant-b/vm3; ended 50m ago: Verified, as the
    other stopped and the VM recovered

30 minutes until 42s ago, one a column, from 0 to each peak; gaps are blank
  ns/vm2, which lost
    cache   |    99999999999999333333333333| last 3.0Mi, peak 10Mi
    traffic |    22222222222222999999999999| last 472MB/s, peak 472MB/s
  tenant-b/vm3, whose traffic rose
    cache   |000000000000000000999999999999| last 20Mi, peak 20Mi
    traffic |000000000000000000999999999999| last 944MB/s, peak 944MB/s

Ruled out, when it was judged
  waiting for CPUs: it waited for at most a tenth of the time
  more load of its own: it takes more cycles for the same work
  a migration, hot-plug or new groups: its counters went on without a break

How sure
  Likely is the second of three levels: the VM is slower, and much of the
    traffic that rose is the other's.
  Of all traffic that rose on the cache block, 84 % is that of the other.
  It is no proof. What changed inside the VM at the same moment looks the same.
    It is verified when the other stops or moves away and the VM recovers.
  How often verdicts were right in simulations: docs/verdict-figures.md

What to do
  Move one of the two to another node: this VM:
    virtctl migrate vm2 -n ns
  or the other one:
    virtctl migrate vm3 -n tenant-b
  Then look again; a VM that moved is judged after some ten minutes:
    kubectl cachemon why vm2 -n ns
"""

TENANTS = """\
Likely, for 12m: the traffic of another VM of this node rose when the cache of
this VM fell by 7.5Mi, and this VM takes 21 % more cycles for the same work.

  ns/vm2 on node01; judged 2s ago
  Now: holds 3.0Mi of 32Mi, traffic 472MB/s; 2s ago

Ruled out, when it was judged
  waiting for CPUs: it waited for at most a tenth of the time
  more load of its own: it takes more cycles for the same work
  a migration, hot-plug or new groups: its counters went on without a break

How sure
  Likely is the second of three levels: the VM is slower, and much of the
    traffic that rose is the other's.
  It is no proof. What changed inside the VM at the same moment looks the same.
    It is verified when the other stops or moves away and the VM recovers.
  How often verdicts were right in simulations: docs/verdict-figures.md
  Charts, and names of other namespaces, need the right to read
    CacheMonitorNode node01.

What to do
  Move the VM to another node:
    virtctl migrate vm2 -n ns
  Then look again; a VM that moved is judged after some ten minutes:
    kubectl cachemon why vm2 -n ns
"""

OFF = """\
Not judged: the agent of node01 does not judge: interference is off.

  ns/vm2 on node01
  Now: holds 3.0Mi of 32Mi, traffic 472MB/s; 2s ago

What to do
  An administrator switches it on, with the namespace and chart of the
  installation:
    helm upgrade cachemon charts/cachemon -n cachemon-system --reuse-values --set=interference.enabled=true
  Before that, read what verdicts give away (docs/security.md).
"""

UNDISTURBED = """\
Undisturbed: no other VM takes cache from this VM noticeably.

  ns/vm2 on node01
  Now: holds 3.0Mi of 32Mi, traffic 472MB/s; 2s ago
  Its own traffic rose when others lost: tenant-a/vm1 (Confirmed)

How sure
  A neighbour that was there before the VM, and a slowdown under 10 %, are not
    seen.
  A slow VM has another reason then: CPU limits, disk, network, or its own
    programs.

What to do
  See who is beside it:
    kubectl cachemon top -A --by block
"""

DISTURBED = undisturbed("False", "Likely")


def answer(made: Plugin, vm: str = "vm2") -> str:
    done = made.run("why", vm, "--ascii")
    assert done.code == 0, done.err
    return done.out


def test_an_administrator_sees_both_vms_and_what_to_type_next() -> None:
    made = plugin(
        group_object=group(condition=DISTURBED, interference=interference()),
        node=machine(slowed(series=series()), ended()),
        vmi_object=movable(),
    )
    assert answer(made) == ADMINISTRATORS


def test_a_tenant_sees_its_own_vm_and_no_foreign_name() -> None:
    made = plugin(
        group_object=group(condition=DISTURBED, interference=interference()),
        node=machine(slowed(series=series())),
        vmi_object=movable(),
    )
    made.api.errors[NODES.kind].append(KubeForbiddenError("no"))
    made.api.errors[VMIS.kind].append(KubeForbiddenError("no"))
    assert answer(made) == TENANTS


@pytest.mark.parametrize("slow", [VMIS, NODES])
def test_an_answer_that_takes_long_makes_no_agent_silent(slow: Resource) -> None:
    made = plugin(
        group_object=group(condition=DISTURBED, interference=interference()),
        node=machine(slowed(series=series())),
        vmi_object=movable(),
    )
    made.api.delays[slow.kind] = [60]
    page = answer(made)
    assert page.startswith("Likely, for 12m: ")
    assert "; 2s ago\n" in page


def test_where_nobody_judges_it_says_how_to_switch_that_on() -> None:
    assert answer(plugin(group_object=group(), node=machine(), vmi_object=movable())) == OFF


def test_an_undisturbed_vm_may_be_the_one_whose_traffic_rose() -> None:
    made = plugin(
        group_object=group(
            condition=undisturbed("True", "Undisturbed", "no other VM takes cache from this VM noticeably")
        ),
        node=machine(verdict("tenant-a/vm1", "ns/vm2", "Confirmed")),
    )
    assert answer(made) == UNDISTURBED


def test_unicode_has_charts_of_blocks() -> None:
    known = Known(
        ObjectName("ns", "vm2"), movable(), [group(condition=DISTURBED)], machine(slowed(series=series())), NOW, NOW
    )
    page = render_page(page_of(known), NOW, UNICODE)
    assert "    cache   |    ██████████████▃▃▃▃▃▃▃▃▃▃▃▃| last 3.0Mi, peak 10Mi" in page.splitlines()


def test_a_line_has_at_most_80_columns_but_for_commands_and_names() -> None:
    for page in (ADMINISTRATORS, TENANTS, UNDISTURBED):
        assert max(map(len, page.splitlines())) < 80


@pytest.mark.parametrize(
    ("reason", "headline", "command"),
    [
        (Reason.TOO_YOUNG, "it is not known yet what is usual for ns/vm2", "kubectl cachemon why vm2 -n ns"),
        (Reason.NO_REFERENCE, "ns/vm2 ran too little before", "kubectl cachemon why vm2 -n ns"),
        (Reason.GAP, "a figure of the last minutes is missing", "kubectl get cmg -n ns -o wide"),
        (Reason.IDLE, "less than a quarter of a CPU", "kubectl cachemon why vm2 -n ns"),
        (Reason.CPU_CONTENTION, "waits for CPUs more than a tenth of the time", "kubectl describe node node01"),
        (Reason.SUSPECTS_UNWATCHED, "no VM that is watched explains that", "virtctl migrate vm2 -n ns"),
    ],
)
def test_each_reason_has_advice(reason: Reason, headline: str, command: str) -> None:
    page = answer(plugin(group_object=group(condition=undisturbed("Unknown", reason, "said")), node=machine()))
    assert page.startswith("Not judged: ")
    assert headline in page.partition("\n\n")[0].replace("\n", " ")
    assert f"    {command}" in page.splitlines()


def test_a_reason_of_another_version_is_shown_as_it_is() -> None:
    made = plugin(group_object=group(condition=undisturbed("Unknown", "Eclipse", "it is {dark}")))
    assert answer(made).startswith("Not judged: Eclipse: it is {dark}.\n")


def test_a_vmi_without_a_group_gets_the_command_that_makes_one() -> None:
    page = answer(plugin(vmi_object=movable()))
    assert page.startswith("Not judged: no CacheMonitorGroup watches ns/vm2.\n")
    assert "    kubectl cachemon cpu-resource vm2 -n ns --create --vcpulist all --config" in page.splitlines()


def test_a_vmi_that_is_not_there_is_an_error() -> None:
    done = Plugin().run("why", "vm9")
    assert done.code == 1
    assert "there is no VirtualMachineInstance `vm9` in namespace `ns`; see `kubectl get vmi -A`" in done.err


def test_missing_crds_are_named() -> None:
    made = Plugin()
    made.api.errors[GROUPS.kind].append(KubeNotFoundError("the server could not find the requested resource"))
    assert "CRDs are missing" in made.run("why", "vm2").err


def test_a_vm_that_does_not_run_is_not_judged() -> None:
    obj = cmg("vm2", "vm2", node="", condition=ready("False", "VMINotRunning", "the VMI vm2 is Pending"))
    page = answer(plugin(group_object=obj, vmi_object=vmi("vm2", phase="Pending")))
    assert page.startswith("Not judged: ns/vm2 does not run on a node that can be monitored.\n\n  ns/vm2\n")
    assert "  the VMI vm2 is Pending" in page.splitlines()


def test_before_the_first_report_nothing_is_said_about_interference() -> None:
    obj = cmg("vm2", "vm2", condition=ready("False", "WaitingForAgent", "no report yet"))
    assert answer(plugin(group_object=obj)).startswith("Not judged: the agent of node01 has not reported ns/vm2 yet.")


def test_an_old_verdict_is_not_shown_as_one_of_now() -> None:
    obj = group(condition=DISTURBED, interference=interference(), observedTime="2026-09-21T13:13:18Z")
    made = plugin(group_object=obj, node=machine(slowed(), observed="2026-09-21T13:13:18Z"))
    page = answer(made)
    assert page.startswith("Not judged: the agent of node01 is silent, and its last report is old.")
    assert "the figures are 60m old" in page
    assert "rose when" not in page


def test_a_vm_that_cannot_move_is_not_told_to() -> None:
    stuck = movable()
    stuck["status"]["conditions"] = [{"type": "LiveMigratable", "status": "False", "message": "a host device"}]
    page = answer(plugin(group_object=group(), node=machine(slowed()), vmi_object=stuck))
    assert "  ns/vm2 can't move: a host device." in page.splitlines()
    assert "    virtctl migrate vm3 -n tenant-b" in page.splitlines()
    assert "virtctl migrate vm2" not in page


def test_without_a_source_of_work_nobody_is_slower() -> None:
    weak = verdict(level="TakingCache", evidence="the traffic of tenant-b/vm3 rose when the cache of ns/vm2 fell")
    page = answer(plugin(group_object=group(), node=machine(weak)))
    assert "nothing measures work here" in page
    assert "for each second of CPU time" in page
    assert "% more cycles" not in page


def test_commands_name_the_server_and_quote_what_a_shell_would_split() -> None:
    made = plugin(group_object=group(), node=machine(slowed()))
    done = made.run("why", "vm2", "--context", "prod; east")
    assert "    virtctl --context='prod; east' migrate vm3 -n tenant-b" in done.out.splitlines()
    assert "    kubectl cachemon --context='prod; east' why vm2 -n ns" in done.out.splitlines()


def test_a_second_group_without_a_status_yet_changes_nothing() -> None:
    made = plugin(group_object=group(condition=undisturbed("True", "Undisturbed")), node=machine())
    young = group("a-young-one")
    del young["status"]
    young["spec"]["vmiName"] = "vm2"
    made.api.put(GROUPS, young)
    assert answer(made).startswith("Undisturbed: ")


def test_a_number_that_no_machine_has_ends_no_command() -> None:
    """The schema takes 330 digits, and an agent may be an intruder's."""
    charts = series()
    charts["suspect"]["trafficMebibytesPerSecond"] = charts["victim"]["occupancyMebibytes"] = "9" * 330
    made = plugin(group_object=group(), node=machine(slowed(series=charts)), vmi_object=movable())
    assert "Likely, for 12m" in answer(made)


def test_names_and_sentences_of_the_api_can_not_steer_the_terminal() -> None:
    """An agent may be an intruder's: the schema takes any characters."""
    item = slowed(suspect="tenant-b/vm3\x1b[8m", evidence="the traffic rose \x1b]0;title\x07 and \x9b2J fell")
    made = plugin(group_object=group(), node=machine(item), vmi_object=movable())
    for command in ("why", "vm2", "-n", "ns"), ("verdicts", "-n", "ns"):
        run = made.run(*command)
        assert "Likely" in run.out
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", run.out + run.err)
