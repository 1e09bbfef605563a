"""docs/security.md names the limits, roles and rights that there are."""

import re
from pathlib import Path

import yaml

from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.threads import MOST_QEMUS
from cachemon.qemu.discovery import MOST_THREADS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
UNIT = ROOT / "operator/cachemon/host/cachemon-host.service"
COUNTS = ("no", "one", "two", "three", "four", "five")


def test_the_limits_are_those_of_the_code() -> None:
    assert f"At most {MOST_THREADS} threads" in PAGE
    assert f"more than {COUNTS[MOST_QEMUS]} QEMUs" in PAGE


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
    objects = yaml.safe_load_all((ROOT / "manifests/rbac.yaml").read_text(encoding="utf-8"))
    for role in (item["metadata"] for item in objects if item["kind"] == "ClusterRole"):
        added_to = sorted(label.removeprefix(prefix) for label in role["labels"] if label.startswith(prefix))
        line = f"| `{role['name']}` | {', '.join(f'`{name}`' for name in reversed(added_to))} |"
        assert (line in PAGE) == bool(added_to)
