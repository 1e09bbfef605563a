"""docs/security.md names the limits and roles that there are."""

from pathlib import Path

import yaml

from cachemon.model.threads import MOST_QEMUS
from cachemon.qemu.discovery import MOST_THREADS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
COUNTS = ("no", "one", "two", "three", "four", "five")


def test_the_limits_are_those_of_the_code() -> None:
    assert f"At most {MOST_THREADS} threads" in PAGE
    assert f"more than {COUNTS[MOST_QEMUS]} QEMUs" in PAGE


def test_the_roles_for_people_are_added_to_the_roles_that_the_page_names() -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    objects = yaml.safe_load_all((ROOT / "manifests/rbac.yaml").read_text(encoding="utf-8"))
    for role in (item["metadata"] for item in objects if item["kind"] == "ClusterRole"):
        added_to = sorted(label.removeprefix(prefix) for label in role["labels"] if label.startswith(prefix))
        line = f"| `{role['name']}` | {', '.join(f'`{name}`' for name in reversed(added_to))} |"
        assert (line in PAGE) == bool(added_to)
