import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cachemon.controller.main import main
from cachemon.controller.verify import Verification, VerificationLimits, parse_config
from cachemon.kube.client import Listing, Selector
from cachemon.model.api import NODES, PODS, ObjectName, Resource
from cachemon.model.errors import InvalidInputError, KubeError, KubeForbiddenError, KubeUnreachableError

T = TypeVar("T")

READY = [{"type": "Ready", "status": "True", "reason": "MonitoringAvailable", "message": ""}]


class FakeServer:
    """An installation on one node, and a clock that moves when somebody sleeps.

    Attributes:
        failures: raised by the next requests, first one first.
        reports_after: seconds until the agent reports.
        pods: of the agents.
    """

    def __init__(self) -> None:
        self.failures: list[KubeError] = []
        self.reports_after = 0.0
        self.pods: list[dict[str, Any]] = [{"metadata": {"name": "p1"}, "spec": {"nodeName": "a"}}]
        self.served_kinds = frozenset({"cachemonitorgroups", "cachemonitornodes", "cachemonitorpolicies"})
        self.seconds = 0.0

    async def served(self, api_version: str) -> frozenset[str]:
        assert api_version == "cachemon.dev/v1alpha1"
        if self.failures:
            raise self.failures.pop(0)
        return self.served_kinds

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        status = {
            ("Deployment", "system/cachemon-operator"): {"updatedReplicas": 1, "readyReplicas": 1},
            ("DaemonSet", "system/cachemon-agent"): {
                "desiredNumberScheduled": 1,
                "updatedNumberScheduled": 1,
                "numberReady": 1,
            },
        }[resource.kind, str(name)]
        return {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, **status}}

    async def list(
        self,
        resource: Resource,
        selector: Selector = Selector(),  # noqa: B008
        namespace: str = "",
        *,
        keep: Callable[[dict[str, Any]], T],
    ) -> Listing[T]:
        if resource is PODS:
            assert (selector.labels, namespace) == ("cachemon.dev/program=agent", "system")
            return Listing([keep(pod) for pod in self.pods], "1")
        assert resource is NODES
        node: dict[str, Any] = {"metadata": {"name": "a"}}
        if self.seconds >= self.reports_after:
            node["status"] = {"agentVersion": "1.2.3", "conditions": READY, "cacheBlocks": ["large"] * 99}
        return Listing([keep(node)], "1")

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def verify(self, deadline: float = 120.0) -> bool:
        run = Verification(
            self,  # type: ignore[arg-type]
            "system",
            monotonic=lambda: self.seconds,
            limits=VerificationLimits(deadline_seconds=deadline, pause_seconds=2.0),
            sleep=self.sleep,
        )
        return asyncio.run(run.run())


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> FakeServer:
    caplog.set_level(logging.INFO)
    return FakeServer()


def test_an_installation_that_works_is_seen_at_the_first_look(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.verify()
    assert server.seconds == 0
    assert caplog.messages == ["node a: agent 1.2.3 reports", "1 nodes are monitored"]


def test_it_waits_for_rights_for_the_server_and_for_the_first_report(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.failures = [KubeForbiddenError("cannot get"), KubeUnreachableError("away")]
    server.reports_after = 60.0
    assert server.verify()
    assert server.seconds == 60.0
    assert "not reported" not in caplog.text


def test_what_is_missing_when_time_is_up_is_named_once(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.reports_after = 999.0
    assert not server.verify(deadline=120.0)
    assert server.seconds == 120.0
    assert caplog.messages == ["node a: its agent has not reported yet; see the agent's logs"]


def test_a_server_that_refuses_to_the_end_is_named(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.failures = [KubeForbiddenError("cannot get")] * 999
    assert not server.verify()
    assert caplog.messages == ["asking the API server: cannot get"]


def test_without_the_kind_of_nodes_none_are_asked_for(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.served_kinds -= {"cachemonitornodes"}
    assert not server.verify(deadline=0)
    assert "cachemonitornodes.cachemon.dev is not served" in caplog.text


def test_pods_that_go_or_have_no_node_yet_do_not_count(server: FakeServer) -> None:
    server.pods += [
        {"metadata": {"name": "p2", "deletionTimestamp": "now"}, "spec": {"nodeName": "drained"}},
        {"metadata": {"name": "p3"}, "spec": {}},
    ]
    assert server.verify()


def test_its_flags_are_checked() -> None:
    assert parse_config(["--deadline=7"], {}).limits.deadline_seconds == 7
    assert parse_config([], {"CACHEMON_NAMESPACE": "x"}).namespace == "x"
    with pytest.raises(InvalidInputError):
        parse_config(["--deadline=soon"], {})


def test_it_is_a_command_of_the_operators_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--help"])
    assert ended.value.code == 0
    assert "It writes nothing" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", "--kubeconfig=/no/such/file"]) == 2
