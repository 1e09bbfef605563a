import re

import pytest
import yaml

from lab.kubernetes.control_plane import ControlPlane
from lab.repository import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (.+)$", README, re.MULTILINE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("kubectl apply")])
def test_the_documented_install_commands_work(
    control_plane: ControlPlane, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert "serverside-applied" in control_plane.kubectl(*command.split()[1:], "--force-conflicts")


def test_the_documented_object_and_the_examples_are_accepted(control_plane: ControlPlane) -> None:
    shown = re.findall(r"```yaml\n(.+?)```", README, re.DOTALL)
    examples = [path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "examples").glob("*.yaml"))]
    assert shown
    assert examples
    for name in ("tenant-a", "tenant-b"):
        control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for text in shown + examples:
        assert all(yaml.safe_load_all(text))
        applied = control_plane.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text
        )
        assert re.match(r"cachemonitor(group|policy)\.cachemon\.dev/", applied)


def test_the_documented_folders_are_there() -> None:
    for folder in ("operator/cachemon", "crds", "manifests", "examples", "lab", "tests"):
        assert (REPOSITORY / folder).is_dir()
    contributing = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tests = re.search(r"\| `tests/` \| (.+)\|", contributing)
    assert tests
    named = set(re.findall(r"`(\w+)`", tests[1]))
    assert named == {
        path.name for path in (REPOSITORY / "tests").iterdir() if path.is_dir() and path.name[0] not in "_."
    }
