"""Which groups the policies want: kept up to date with policies, namespaces and VMIs. No I/O."""

from collections.abc import Iterable, Mapping

from cachemon.controller.collection import Collection, Index
from cachemon.controller.stamping import StoredPolicy, WantedGroup
from cachemon.controller.vmi import Vmi
from cachemon.model.api import ObjectName
from cachemon.model.stamps import stamped_name


class WantedGroups:
    """The groups that all policies want; `namespaces` has the labels of each."""

    def __init__(
        self, policies: Collection[StoredPolicy], namespaces: Collection[Mapping[str, str]], vmis: Collection[Vmi]
    ) -> None:
        self._policies = policies
        self._namespaces = namespaces
        self._vmis = vmis
        self._vmis_in = Index()
        self._wanted_by: dict[ObjectName, tuple[ObjectName, ObjectName]] = {}
        self._of_policy = Index()

    def get(self, group: ObjectName) -> WantedGroup | None:
        """The group of this name that a policy wants; None when none does."""
        names = self._wanted_by.get(group)
        if names is None:
            return None
        stored, vmi = self._policies.get(names[0]), self._vmis.get(names[1])
        return WantedGroup(stored.policy, vmi) if stored and vmi else None

    def policy_of(self, group: ObjectName) -> ObjectName | None:
        """The policy that wants a group of this name."""
        names = self._wanted_by.get(group)
        return None if names is None else names[0]

    def of_policy(self, policy: ObjectName) -> Iterable[ObjectName]:
        """The groups that a policy wants."""
        return self._of_policy[policy]

    def follow_policy(self, policy: ObjectName) -> dict[ObjectName, ObjectName]:
        """A policy was added, changed or deleted: the groups that it wants or wanted, each with the policy."""
        return self._review(self._vmis.names(), [policy])

    def follow_namespace(self, namespace: ObjectName) -> dict[ObjectName, ObjectName]:
        """A namespace has other labels: the groups that policies want or wanted there."""
        return self._review(tuple(self._vmis_in[namespace.name]), self._policies.names())

    def follow_vmi(self, vmi: ObjectName) -> dict[ObjectName, ObjectName]:
        """A VMI was added, changed or deleted: the groups that policies want or wanted for it."""
        known = vmi.namespace if self._vmis.get(vmi) else None
        self._vmis_in.move(vmi, vmi.namespace, known)
        return self._review([vmi], self._policies.names())

    def _review(self, vmis: Iterable[ObjectName], policies: Iterable[ObjectName]) -> dict[ObjectName, ObjectName]:
        touched = {}
        policies = list(policies)
        for vmi_name in vmis:
            vmi = self._vmis.get(vmi_name)
            labels = self._namespaces.get(ObjectName("", vmi_name.namespace))
            for policy_name in policies:
                stored = self._policies.get(policy_name)
                selected = bool(stored and vmi and labels is not None and stored.policy.selects(labels, vmi.labels))
                group = ObjectName(vmi_name.namespace, stamped_name(vmi_name.name, policy_name.name))
                if selected or group in self._wanted_by:
                    touched[group] = policy_name
                    self._set(group, (policy_name, vmi_name) if selected else None)
        return touched

    def _set(self, group: ObjectName, names: tuple[ObjectName, ObjectName] | None) -> None:
        before = self._wanted_by.pop(group, None)
        self._of_policy.move(group, before and before[0], names and names[0])
        if names is not None:
            self._wanted_by[group] = names
