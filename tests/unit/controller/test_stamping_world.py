"""Whatever happens, in whatever order: when all is written, every VMI that matches has its group, and no one else."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cachemon.controller.decision import Apply, Delete
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NAMESPACES, POLICIES, VMIS, ObjectName, Resource, name_of
from cachemon.model.stamps import POLICY_LABEL
from tests.unit.controller.builders import (
    apply_list,
    group_object,
    moment,
    namespace_object,
    policy_object,
    stamped_object,
    vmi_object,
)

Object = dict[str, Any]

TIERS = st.sampled_from(["", "gold", "iron"])
VMI_NAMES = st.sampled_from(["vm", "vm.gold"])
POLICY_NAMES = st.sampled_from(["gold", "iron"])


class StampingWorld(RuleBasedStateMachine):
    """An API server's objects, people who change them, and an operator that hears of it and may be restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[Resource, dict[ObjectName, Object]] = {
            resource: {} for resource in (GROUPS, VMIS, POLICIES, NAMESPACES)
        }
        self.version = 0
        self.uids = 0
        self.persons: dict[ObjectName, Object] = {}
        self.busy = False
        self.store = Store(moment)
        self.put(NAMESPACES, namespace_object(team="gold"))

    def put(self, resource: Resource, obj: Object) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        event = "MODIFIED" if name_of(obj) in self.objects[resource] else "ADDED"
        self.objects[resource][name_of(obj)] = obj
        self.store.apply_event(resource, event, obj)

    def drop(self, resource: Resource, name: ObjectName) -> None:
        if gone := self.objects[resource].pop(name, None):
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self.store.apply_event(resource, "DELETED", gone)

    @rule(name=VMI_NAMES, tier=TIERS)
    def a_vmi_starts_or_starts_anew(self, name: str, tier: str) -> None:
        self.drop(VMIS, ObjectName("tenant", name))
        self.uids += 1
        self.put(VMIS, vmi_object(name, uid=f"vmi-{self.uids}", labels={"tier": tier}))

    @rule(name=VMI_NAMES, tier=TIERS)
    def a_vmi_is_relabelled(self, name: str, tier: str) -> None:
        if known := self.objects[VMIS].get(ObjectName("tenant", name)):
            self.put(VMIS, vmi_object(name, uid=known["metadata"]["uid"], labels={"tier": tier}))

    @rule(name=VMI_NAMES)
    def a_vmi_ends(self, name: str) -> None:
        self.drop(VMIS, ObjectName("tenant", name))

    @rule(team=TIERS)
    def the_namespace_is_relabelled(self, team: str) -> None:
        self.put(NAMESPACES, namespace_object(team=team))

    @rule(name=POLICY_NAMES, tier=st.none() | TIERS, team=st.none() | TIERS, priority=st.integers(0, 2))
    def a_policy_is_written(self, name: str, tier: str | None, team: str | None, priority: int) -> None:
        vmis = {} if tier is None else {"tier": tier}
        namespaces = {} if team is None else {"team": team}
        self.put(POLICIES, policy_object(name, vmis=vmis, namespaces=namespaces, priority=priority))

    @rule(name=POLICY_NAMES)
    def a_policy_goes(self, name: str) -> None:
        self.drop(POLICIES, ObjectName("", name))

    @rule(vmi=VMI_NAMES, policy=POLICY_NAMES, label=st.booleans(), copy=st.booleans())
    def a_person_makes_a_group(self, vmi: str, policy: str, *, label: bool, copy: bool) -> None:
        obj = stamped_object(policy, vmi) if label else group_object(f"{vmi}.{policy}", vmi_name=vmi)
        if copy:
            obj["metadata"]["name"] = f"copy-of-{vmi}.{policy}"
        name = name_of(obj)
        if name not in self.objects[GROUPS]:
            self.uids += 1
            obj["metadata"]["uid"] = f"person-{self.uids}"
            self.put(GROUPS, obj)
            if copy or not label:
                self.persons[name] = obj

    @rule(vmi=VMI_NAMES, policy=POLICY_NAMES)
    def a_person_edits_a_stamped_group(self, vmi: str, policy: str) -> None:
        name = ObjectName("tenant", f"{vmi}.{policy}")
        if (known := self.objects[GROUPS].get(name)) and name not in self.persons:
            edited = {**known, "metadata": {**known["metadata"]}, "spec": {**known["spec"], "priority": 99}}
            self.put(GROUPS, edited)

    @rule(vmi=VMI_NAMES, policy=POLICY_NAMES)
    def somebody_deletes_a_group(self, vmi: str, policy: str) -> None:
        name = ObjectName("tenant", f"{vmi}.{policy}")
        self.drop(GROUPS, name)
        self.persons.pop(name, None)

    @rule()
    def the_operator_starts_anew(self) -> None:
        self.store = Store(moment)
        for resource in (GROUPS, POLICIES, NAMESPACES, VMIS):
            apply_list(self.store, resource, self.objects[resource].values(), self.version)

    @rule(busy=st.booleans())
    def the_operator_is_busy_or_has_time(self, *, busy: bool) -> None:
        self.busy = busy

    def write_all_there_is_to_write(self) -> None:
        for _ in range(1000):
            name = self.store.queue.take(0.0)
            if name is None:
                break
            self.store.queue.done(name)
            decision = self.store.decide(name)
            match decision and decision.stamp:
                case Apply(body):
                    self.apply(name, dict(body))
                case Delete(uid):
                    assert self.objects[GROUPS][name]["metadata"]["uid"] == uid
                    self.drop(GROUPS, name)
        else:
            raise AssertionError("the operator writes without end")

    def apply(self, name: ObjectName, body: Object) -> None:
        known = self.objects[GROUPS].get(name)
        assert known is None or known["metadata"].get("labels", {}).get(POLICY_LABEL), "the API server would refuse"
        self.uids += 1
        bare = group_object(name.name)["metadata"]
        own = known["metadata"] if known else bare | {"uid": f"stamped-{self.uids}"}
        self.put(GROUPS, {**body, "metadata": {**own, **body["metadata"]}})

    @invariant()
    def a_persons_group_is_as_the_person_left_it(self) -> None:
        for name, obj in self.persons.items():
            assert self.objects[GROUPS][name] == obj

    @invariant()
    def what_is_there_is_what_is_wanted(self) -> None:
        if self.busy:
            return
        self.write_all_there_is_to_write()
        team = self.objects[NAMESPACES][ObjectName("", "tenant")]["metadata"]["labels"]
        wanted: dict[ObjectName, tuple[str, int]] = {}
        for policy in self.objects[POLICIES].values():
            spec = policy["spec"]
            for vmi in self.objects[VMIS].values():
                labels = vmi["metadata"]["labels"].items()
                if (
                    spec["vmiSelector"]["matchLabels"].items() <= labels
                    and spec["namespaceSelector"]["matchLabels"].items() <= team.items()
                ):
                    name = ObjectName("tenant", f"{vmi['metadata']['name']}.{policy['metadata']['name']}")
                    wanted[name] = vmi["metadata"]["uid"], spec["template"]["priority"]
        stamped = {
            name: (obj["metadata"]["ownerReferences"][0]["uid"], obj["spec"]["priority"])
            for name, obj in self.objects[GROUPS].items()
            if name not in self.persons
        }
        assert stamped == {name: wish for name, wish in wanted.items() if name not in self.persons}


TestStampingWorld = StampingWorld.TestCase
TestStampingWorld.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
