import copy
from collections.abc import Mapping
from typing import Any

import pytest

from cachemon.controller.decision import Apply, Decision, Delete, StoredGroup, parse_stored_group
from cachemon.controller.stamping import (
    StampState,
    WantedGroup,
    decide_policy,
    parse_stored_policy,
    stamp_of,
    stamp_state,
)
from cachemon.model.api import ObjectName
from cachemon.model.stamps import POLICY_LABEL
from tests.unit.controller.builders import NOW, at, group_object, policy_object, stamped_object, vmi

Object = dict[str, Any]


def stored(obj: Object) -> StoredGroup:
    return parse_stored_group(obj)


def wish(*, ending: bool = False, **template: Any) -> WantedGroup:
    return WantedGroup(parse_stored_policy(policy_object(**template)).policy, vmi(is_ending=ending))


def applied(action: Apply | Delete | None) -> Object:
    assert isinstance(action, Apply)
    return dict(action.body)


def decided(
    status: Object | None, *states: StampState, generation: int = 1, refusals: Mapping[ObjectName, str] = {}
) -> Decision:
    names = {ObjectName("tenant", f"vm{number}.gold"): standing for number, standing in enumerate(states)}
    policy = parse_stored_policy(policy_object(status=status, generation=generation))
    return decide_policy(policy, names, refusals, NOW)


def ready(decision: Decision) -> tuple[str, str]:
    assert decision.status is not None
    (condition,) = decision.status["conditions"]
    return condition["status"], condition["reason"]


def test_a_missing_group_is_made_with_label_owner_and_the_templates_spec() -> None:
    body = applied(stamp_of(None, wish(groups=[{"vcpus": "0-1"}], priority=5)))
    assert body == {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorGroup",
        "metadata": {
            "name": "vm.gold",
            "namespace": "tenant",
            "labels": {"cachemon.dev/policy": "gold"},
            "ownerReferences": [
                {
                    "apiVersion": "kubevirt.io/v1",
                    "kind": "VirtualMachineInstance",
                    "name": "vm",
                    "uid": "vmi-1",
                }
            ],
        },
        "spec": {"vmiName": "vm", "groups": [{"vcpus": "0-1"}], "priority": 5, "statusPeriodSeconds": 60},
    }


def test_a_template_without_groups_is_written_as_the_group_of_all_vcpus() -> None:
    assert applied(stamp_of(None, wish()))["spec"]["groups"] == [{"vcpus": "all"}]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert stamp_of(stored(stamped_object()), wish()) is None
    without = stamped_object()
    del without["spec"]["groups"]
    assert stamp_of(stored(without), wish()) is None, "it means the same"


@pytest.mark.parametrize(
    "change", [{"groups": [{"vcpus": "0"}]}, {"priority": 3}, {"statusPeriodSeconds": 5}], ids=lambda c: next(iter(c))
)
def test_an_edit_of_the_template_or_of_the_group_is_written_over(change: Object) -> None:
    assert applied(stamp_of(stored(stamped_object()), wish(**change)))["spec"].items() >= change.items()
    assert isinstance(stamp_of(stored(stamped_object(**change)), wish()), Apply)


def test_the_group_of_a_restarted_vm_gets_the_new_vmi_as_its_owner() -> None:
    body = applied(stamp_of(stored(stamped_object(vmi_uid="vmi-0")), wish()))
    assert [owner["uid"] for owner in body["metadata"]["ownerReferences"]] == ["vmi-1"]


def test_a_group_that_lost_its_owner_gets_it_back() -> None:
    obj = stamped_object()
    del obj["metadata"]["ownerReferences"]
    assert isinstance(stamp_of(stored(obj), wish()), Apply)


def test_a_vmi_that_is_being_deleted_gets_no_new_group_and_keeps_the_one_it_has() -> None:
    assert stamp_of(None, wish(ending=True)) is None
    assert stamp_of(stored(stamped_object()), wish(ending=True)) is None


def test_a_group_that_nobody_wants_any_longer_is_deleted_by_its_uid() -> None:
    assert stamp_of(stored(stamped_object()), None) == Delete("uid-vm.gold")


def copied(name: str) -> Object:
    obj = copy.deepcopy(stamped_object())
    obj["metadata"]["name"] = name
    return obj


def unlabelled() -> Object:
    obj = stamped_object()
    del obj["metadata"]["labels"]
    return obj


def relabelled(policy: str) -> Object:
    obj = stamped_object()
    obj["metadata"]["labels"][POLICY_LABEL] = policy
    return obj


@pytest.mark.parametrize(
    "obj",
    [group_object(), group_object("vm.gold"), copied("mine"), unlabelled(), relabelled("iron"), relabelled("")],
    ids=["any", "of that name", "a copy with the label", "label taken away", "another policy's label", "empty label"],
)
def test_a_persons_group_is_never_touched(obj: Object) -> None:
    assert stored(obj).group.policy == ""
    assert stamp_of(stored(obj), None) is None
    assert stamp_of(stored(obj), wish()) is None
    assert stamp_state(stored(obj), wish()) is StampState.NAME_TAKEN


def test_a_policy_counts_what_matches_and_what_is_there() -> None:
    decision = decided(None, StampState.CURRENT, StampState.OUTDATED, StampState.MISSING)
    assert decision.status is not None
    assert (decision.status["matchingVMIs"], decision.status["groups"]) == (3, 1)
    assert ready(decision) == ("False", "Stamping")
    assert decision.pause_seconds > 0, "thousands of groups must not mean thousands of writes of the policy"


def test_a_policy_is_ready_when_every_vmi_has_its_group_or_none_matches() -> None:
    assert ready(decided(None, StampState.CURRENT)) == ("True", "GroupsStamped")
    assert ready(decided(None)) == ("True", "NoVMIMatches")


def test_a_name_that_is_taken_is_reported_with_what_to_do() -> None:
    decision = decided(None, StampState.CURRENT, *[StampState.NAME_TAKEN] * 5)
    assert ready(decision) == ("False", "NameTaken")
    assert decision.status is not None
    message = decision.status["conditions"][0]["message"]
    assert message.endswith(
        "delete, or recreate under another name: `tenant/vm1.gold`, `tenant/vm2.gold`, `tenant/vm3.gold` and 2 more"
    )
    assert message.startswith("5 of 6 groups")


def test_groups_that_the_api_server_refuses_are_reported_with_its_words() -> None:
    refusals = {ObjectName("tenant", f"vm{number}.gold"): "exceeded quota: " + "x" * 5000 for number in range(4)}
    decision = decided(None, StampState.CURRENT, *[StampState.MISSING] * 4, refusals=refusals)
    assert ready(decision) == ("False", "GroupsRefused")
    assert decision.status is not None
    message = decision.status["conditions"][0]["message"]
    assert message.startswith("the API server refuses 4 of 5 groups")
    assert "`tenant/vm0.gold`, `tenant/vm1.gold`, `tenant/vm2.gold` and 1 more; the answer: exceeded quota" in message
    assert len(message) <= 4096, "the schema's limit"


def test_a_policys_status_is_written_when_it_differs_only() -> None:
    first = decided(None, StampState.CURRENT)
    assert first.status is not None
    assert not decided(dict(first.status), StampState.CURRENT).writes
    assert decided(dict(first.status), StampState.CURRENT, generation=2).writes
    assert first.status["conditions"][0]["lastTransitionTime"] == at(0)
