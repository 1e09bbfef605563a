"""docs/security.md names the limits, roles and rights that there are."""

import re

import yaml

from cachemon.agent.object_reports import FOR_LIVE, WRITES_PER_SECOND
from cachemon.agent.status_size import MOST_STATUS_BYTES
from cachemon.agent.write_schedule import IN_FLIGHT, IN_FLIGHT_OF_ONE_NAMESPACE
from cachemon.daemon.connection_limits import ServerLimits
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.live_figures import LONGEST_LIVE_SECONDS
from cachemon.model.threads import MOST_QEMUS
from cachemon.qemu.command_lines import WAIT_SECONDS
from cachemon.qemu.discovery import MOST_PROCESSES, MOST_THREADS
from lab.repository import REPOSITORY

PAGE = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
UNIT = REPOSITORY / "operator/cachemon/host/agent/cachemon-host.service"
COUNTS = ("no", "one", "two", "three", "four", "five")


def test_the_limits_are_those_of_the_code() -> None:
    assert f"At most {MOST_THREADS} threads" in PAGE
    assert f"more than {COUNTS[MOST_QEMUS]} QEMUs" in PAGE


def test_what_a_tenant_can_cost_the_others_is_bounded_as_the_code_has_it() -> None:
    _, _, after = PAGE.partition("## What one tenant can cost the others")
    section = after.partition("\n## ")[0]
    for bound in (
        f"{MOST_GROUPS} groups of a VMI are monitored",
        f"a node writes {WRITES_PER_SECOND} statuses a second",
        f"at least {WRITES_PER_SECOND * FOR_LIVE:g} a second, shared by namespace",
        f"It ends after {LONGEST_LIVE_SECONDS / 60:g} minutes",
        f"{IN_FLIGHT} writes at a time, at most {IN_FLIGHT_OF_ONE_NAMESPACE} of one namespace",
        f"a status is cut to {MOST_STATUS_BYTES // 1024} KiB",
        f"one scan is {WAIT_SECONDS:g} s late",
        f"{MOST_PROCESSES} processes of a pod, and {MOST_THREADS} threads of its QEMUs",
    ):
        assert bound in section


def test_what_a_stranger_can_hold_is_bounded_as_the_code_has_it() -> None:
    _, _, after = PAGE.partition("## What a stranger on the network can see and hold")
    section, limits = after.partition("\n## ")[0], ServerLimits()
    for bound in (
        f"{limits.connections} a port, {limits.connections_of_peer} an address",
        f"{limits.new_per_second:g} new ones a second",
        f"{limits.head_seconds:g} s for a request's head, {limits.answer_seconds:g} s for an answer",
    ):
        assert bound in section


def test_the_rights_of_the_hosts_agent_are_those_of_its_unit() -> None:
    _, _, section = PAGE.partition("## On a plain libvirt host")
    named = set(re.findall(r"`([A-Z][A-Za-z]+=)(\S*?)`", section.partition("\n## ")[0]))
    given = re.findall(r"^([A-Z][A-Za-z]+=)(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) > 10
    assert {setting for setting in named if setting[1]} <= set(given)
    assert {name for name, value in named if not value} & {name for name, _ in given} == set()
    assert f"and {MOST_GROUPS} groups" in section


def test_the_roles_for_people_are_added_to_the_roles_that_the_page_names() -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    objects = yaml.safe_load_all((REPOSITORY / "manifests/rbac.yaml").read_text(encoding="utf-8"))
    for role in (item["metadata"] for item in objects if item["kind"] == "ClusterRole"):
        added_to = sorted(label.removeprefix(prefix) for label in role["labels"] if label.startswith(prefix))
        line = f"| `{role['name']}` | {', '.join(f'`{name}`' for name in reversed(added_to))} |"
        assert (line in PAGE) == bool(added_to)
