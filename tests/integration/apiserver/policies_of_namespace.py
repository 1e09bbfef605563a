"""Policies for the VMIs of one namespace, and the groups that they stamp."""

import http.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes.client import ApiException

from lab.wait import until
from tests.integration.apiserver.examples import MERGE, groups_path, policies_path, policy_object
from tests.integration.apiserver.operated import (
    START_SECONDS,
    Object,
    Tenant,
)


class Policies:
    """Policies for the VMIs of one namespace, and what has become of them."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._names: set[str] = set()

    def name(self, short: str) -> str:
        """Policies are the whole cluster's: a name of this test's own."""
        return f"{short}-{self.tenant.namespace}"

    def add(self, short: str, labels: dict[str, str] | None = None, **template: Any) -> None:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.tenant.namespace}}
        spec = {"namespaceSelector": selector, "vmiSelector": {"matchLabels": labels or {}}, "template": template}
        self.tenant.request("POST", policies_path(), policy_object(self.name(short), spec))
        self._names.add(short)

    def change(self, short: str, **spec: Any) -> None:
        self.tenant.request("PATCH", policies_path(self.name(short)), {"spec": spec}, content_type=MERGE)

    def delete(self, short: str) -> None:
        self.tenant.request("DELETE", policies_path(self.name(short)))
        self._names.remove(short)

    def delete_all(self) -> None:
        for short in list(self._names):
            self.delete(short)

    def group(self, vmi: str, short: str) -> Object | None:
        return read(self.tenant, f"{vmi}.{self.name(short)}")

    def becomes_stamped(self, vmi: str, short: str, test: Callable[[Object], Any] = bool) -> Object:
        def found() -> Object | None:
            group = self.group(vmi, short)
            return group if group and test(group) else None

        return until(f"the group of {vmi} by {short}", found, seconds=START_SECONDS)

    def becomes_gone(self, vmi: str, short: str) -> None:
        until(f"the group of {vmi} by {short} to go", lambda: not self.group(vmi, short), seconds=START_SECONDS)

    def becomes(self, short: str, test: Callable[[Object], Any]) -> Object:
        def holds() -> Object | None:
            status: Object = self.tenant.request("GET", policies_path(self.name(short))).get("status", {})
            return status if test(status) else None

        return until(f"policy {short}", holds, seconds=START_SECONDS)

    def until_events(self, short: str) -> list[Object]:
        """The Events about a policy, as soon as there are some."""

        def events_about() -> list[Object]:
            events = self.tenant.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")["items"]
            return [event for event in events if event["regarding"].get("name") == self.name(short)]

        return until(f"an event about policy {short}", events_about, seconds=30)


def read(tenant: Tenant, name: str) -> Object | None:
    try:
        found: Object = tenant.request("GET", groups_path(tenant.namespace, name))
    except ApiException as error:
        if error.status != http.client.NOT_FOUND:
            raise
        return None
    return found


@pytest.fixture
def policies(tenant: Tenant) -> Iterator[Policies]:
    policies = Policies(tenant)
    yield policies
    policies.delete_all()
