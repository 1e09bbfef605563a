import pytest

from cachemon.engine.guest_windows import WindowGuest
from cachemon.host.agent.watched_domains import check_live_group, judged_domains, targets_of, watch
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import parse_group
from tests.unit.host.builders import ALL, IO, UUID, WEB, layout_of, mon_group, own_monitor, running, well

OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"


def test_in_force_are_the_groups_of_the_metadata_and_those_that_the_agent_keeps() -> None:
    watched = watch(running(WEB), [ALL])
    assert watched.groups == (WEB, ALL)
    assert [watched.kept(group.name) for group in watched.groups] == ["config", "live"]


def test_of_two_groups_of_one_name_the_live_one_is_the_later_word() -> None:
    live = parse_group({"name": "web", "vcpus": "1"})
    watched = watch(running(WEB, ALL), [live])
    assert watched.groups == (ALL, live)
    assert watched.kept("web") == "live"


def test_a_target_is_a_domain_of_which_something_is_wanted_or_that_libvirt_monitors() -> None:
    domains = [
        running(WEB, uuid=UUID, name="vm1"),
        running(uuid=OTHER, name="vm2", own=[own_monitor("0")]),
        running(uuid="11111111-1111-4111-8111-111111111111", name="vm3"),
    ]
    targets = targets_of(domains, {"22222222-2222-4222-8222-222222222222": [ALL]})
    assert [(it.object.guest_name, it.owner_uids) for it in targets] == [("vm2", (OTHER,)), ("vm1", (UUID,))]


def test_domains_are_judged_by_their_names() -> None:
    layout = layout_of(watch(running(WEB), []), well(WEB, mon_group(1)))
    assert judged_domains(layout) == {"vm1": WindowGuest("vm1", is_unsteady=False)}


def test_a_live_group_alone_makes_a_target() -> None:
    (target,) = targets_of([running()], {UUID: [IO]})
    assert target.object.groups == (IO,)


def test_domains_take_turns_and_the_same_wish_is_the_same_target() -> None:
    (one,) = targets_of([running(WEB)], {})
    (same,) = targets_of([running(WEB)], {})
    assert (one, one.object.without_news()) == (same, same.object)
    assert one.object.namespace == one.object.uid == UUID


def test_a_group_whose_name_is_taken_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="group 'web' exists already, of vCPU 0"):
        check_live_group(watch(running(WEB), []), parse_group({"name": "web", "vcpus": "1"}))
    with pytest.raises(InvalidInputError, match="group 'all' exists already"):
        check_live_group(watch(running(WEB), [ALL]), ALL)


def test_a_group_that_shares_a_vcpu_with_a_mon_group_of_libvirts_is_refused() -> None:
    watched = watch(running(own=[own_monitor("0-1")]), [])
    message = r"vcpus or group name conflicts with domain settings: vCPU 1 is in libvirt's own monitor 'vcpus_0-1'"
    with pytest.raises(InvalidInputError, match=message):
        check_live_group(watched, parse_group({"vcpus": "1-2"}))
    with pytest.raises(InvalidInputError, match="virsh edit vm1"):
        check_live_group(watched, ALL)
    check_live_group(watched, parse_group({"vcpus": "2-3"}))
    check_live_group(watched, IO)


def test_a_run_has_no_more_live_groups_than_a_configuration_may_have() -> None:
    live = [parse_group({"name": f"g{number}", "vcpus": "0"}) for number in range(MOST_GROUPS)]
    check_live_group(watch(running(), live[:-1]), live[-1])
    with pytest.raises(InvalidInputError, match="has 64 groups already, and no domain may have more"):
        check_live_group(watch(running(), live), ALL)


def test_a_domain_has_no_more_groups_than_it_may_have_and_those_of_its_metadata_go_first() -> None:
    config = tuple(parse_group({"name": f"c{number}", "vcpus": "0"}) for number in range(MOST_GROUPS - 1))
    live = [parse_group({"name": f"l{number}", "vcpus": "0"}) for number in range(3)]
    watched = watch(running(*config), live)
    assert watched.groups == (*config, live[0])
    assert watched.refused == (live[1], live[2])
    (target,) = targets_of([running(*config)], {running().uuid: live})
    assert target.refused == watched.refused
    with pytest.raises(InvalidInputError, match="no domain may have more"):
        check_live_group(watched, ALL)


def test_an_allocation_without_a_mon_group_of_its_own_is_no_collision() -> None:
    watched = watch(running(own=[own_monitor("0-1", has_mon_group=False)]), [])
    check_live_group(watched, parse_group({"vcpus": "0"}))
