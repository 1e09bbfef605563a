import shlex

import pytest

from cachemon.interference.verdicts import Judgement
from cachemon.model.groups import parse_group
from tests.unit.host.commands.fake_host import Host
from tests.unit.host.commands.judged import known, likely

ALL = parse_group({"vcpus": "all"})

PAGE = """\
Likely, for 12m: the traffic of vm3 rose when the cache of vm2 fell by 7.5Mi,
and vm2 takes 21 % more cycles for the same work.

  vm2 on cache block 0; judged 2s ago

30 minutes until 20s ago, one a column, from 0 to each peak; gaps are blank
  vm2, which lost
    cache   |999999999999999999333333333333| last 3.0Mi, peak 10Mi
    traffic |222222222222222222999999999999| last 472MB/s, peak 472MB/s
  vm3, whose traffic rose
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
  Move one of the two to another host: this one:
    virsh migrate --live vm2 qemu+ssh://HOST/system
  or the other one:
    virsh migrate --live vm3 qemu+ssh://HOST/system
  Or pin one to CPUs of another cache block:
    virsh vcpupin vm2
  Then look again:
    cachemon host why vm2
"""


def host(name: str = "vm2", **domain: object) -> Host:
    made = Host()
    made.libvirt.put(name, **({"groups": [ALL]} | domain))  # type: ignore[arg-type]
    return made


def answer(made: Host, name: str = "vm2") -> str:
    done = made.run("why", name, "--ascii")
    assert done.code == 0, done.err
    return done.out


def test_the_page_shows_both_domains_and_what_to_type_next() -> None:
    made = host()
    made.agent.judged = known({"vm2": Judgement.DISTURBED}, likely())
    assert answer(made) == PAGE
    assert answer(made, "1") == PAGE, "by its id"


def test_an_agent_that_does_not_judge_says_how_to_make_it() -> None:
    page = answer(host())
    assert page.startswith("Not judged: the agent of this host does not judge.\n")
    assert "    systemctl edit cachemon-host" in page.splitlines()


def test_a_domain_without_a_group_gets_the_command_that_makes_one() -> None:
    made = host(groups=[])
    made.agent.judged = known({})
    assert "    cachemon host cpu-resource vm2 --create --vcpulist all" in answer(made).splitlines()


def test_a_domain_that_does_not_run_is_not_judged() -> None:
    assert answer(host(runs=False)).startswith("Not judged: vm2 does not run.\n")


def test_an_undisturbed_domain_may_be_the_one_whose_traffic_rose() -> None:
    made = host("vm3")
    made.agent.judged = known({"vm3": Judgement.UNDISTURBED}, likely())
    page = answer(made, "vm3")
    assert page.startswith("Undisturbed: no other domain takes cache or memory bandwidth from it\nnoticeably.\n")
    assert "  Its own traffic rose when others lost: vm2 (Likely)" in page.splitlines()


@pytest.mark.parametrize("judgement", sorted(set(Judgement) - {Judgement.UNDISTURBED, Judgement.DISTURBED}))
def test_each_judgement_is_put_into_words(judgement: Judgement) -> None:
    made = host()
    made.agent.judged = known({"vm2": judgement})
    page = answer(made)
    assert page.startswith("Not judged: ")
    assert judgement not in page
    assert "    cachemon host why vm2" in page.splitlines()


def test_an_old_answer_is_no_verdict() -> None:
    made = host()
    made.agent.judged = known({"vm2": Judgement.DISTURBED}, likely()) | {"observedTime": "2026-09-21T13:13:18Z"}
    assert answer(made).startswith("Not judged: what the agent reported is old.\n")


def test_without_an_agent_there_is_no_page() -> None:
    made = host()
    made.agent.away = True
    done = made.run("why", "vm2")
    assert (done.code, done.out) == (1, "")
    assert "nobody answers" in done.err


def test_names_and_the_host_stay_one_word_in_every_command() -> None:
    name = "win 11; gaming"
    made = Host(uri="qemu+ssh://far/system")
    made.libvirt.put(name, groups=[ALL])
    made.agent.judged = known({}, likely(victim=name))
    commands = [
        shlex.split(line) for line in answer(made, name).splitlines() if line.startswith(("    virsh", "    ca"))
    ]
    commands = [words for words in commands if words[1] in ("-c", "host")]
    assert [name in words for words in commands] == [True, False, True, True]
    assert all("qemu+ssh://far/system" in words for words in commands)
