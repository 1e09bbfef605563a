"""Every command of every page is run, or is listed with the reason why not; what it prints has the shape shown."""

import re
from pathlib import Path

import pytest

from lab.repository import REPOSITORY
from lab.wait import Deadline
from tests.integration.docs.desks import Desk, HostDesk
from tests.integration.docs.not_run import rule_of
from tests.integration.docs.pages import PAGES, Command, File, commands, page_steps
from tests.integration.docs.shape import mismatch

SECONDS = 60
CHANGES = re.compile(
    r"kubectl (apply|create|delete|label|annotate|patch|edit|replace|scale)\b"
    r"|cachemon (host )?cpu-resource .*--(create|destroy)\b|systemctl|virsh (define|destroy|start|metadata .*--set)"
    r"|cachemon (host )?import (?!.*(-o (json|yaml)|--dry-run))"
)
HOST_TERMS = {
    REPOSITORY / "docs" / name
    for name in (
        "quick-start/libvirt-admin.md",
        "guides/plain-libvirt-host.md",
        "guides/beside-libvirts-monitors.md",
        "guides/from-a-host-to-kubevirt.md",
    )
} | set((REPOSITORY / "docs/runbooks").glob("CachemonHost*.md"))
DISTURBED = REPOSITORY / "docs/guides/find-a-noisy-neighbour.md"
INSTALL = {REPOSITORY / "docs/guides/plain-libvirt-host.md", REPOSITORY / "docs/quick-start/libvirt-admin.md"}
TENANTS = REPOSITORY / "docs/quick-start/tenant.md"
BESIDE_A_CLUSTER = {REPOSITORY / "docs/guides/from-a-host-to-kubevirt.md"}
PLACEHOLDERS = {
    "NODE": "node02",
    "NAMESPACE": "tenant-b",
    "NAME": "vm3",
    "POD": "cachemon-agent-node02",
    "DOMAIN": "vm1",
}


def runnable(path: Path) -> list[Command | File]:
    return [step for step in page_steps(path) if isinstance(step, File) or rule_of(step.text) is None]


WITH_COMMANDS = sorted(
    (path for path in PAGES if any(isinstance(step, Command) for step in runnable(path))),
    key=lambda path: path == DISTURBED,  # last, for its VMs need a minute before
)


def typed(command: Command) -> str:
    """What a reader types: runbooks have placeholders in capitals for the names in the alert."""
    return re.sub(r"\b(NODE|NAMESPACE|NAME|POD|DOMAIN)\b", lambda word: PLACEHOLDERS[word[1]], command.text)


def complaint(command: Command, desk: Desk) -> str:
    """Run it once."""
    printed, code = desk.type(typed(command))
    fails = any(line.startswith(("error: ", "Error from ")) or "  FAIL  " in line for line in command.output)
    finds_nothing = "| grep " in command.text and not command.output and code == 1 and not printed
    if (code != 0) != fails and not finds_nothing:
        return f"exit code {code}:\n" + "\n".join(printed)
    return mismatch(command.output, printed) if command.output else ""


def problem_of(command: Command, desk: Desk) -> str:
    """Run it; one that only looks is run again until it shows what the page shows: figures take a moment."""
    deadline = Deadline(SECONDS)
    while True:
        problem = complaint(command, desk)
        if not problem or CHANGES.search(command.text) or deadline.is_over:
            return problem


@pytest.fixture
def page_desk(request: pytest.FixtureRequest, path: Path) -> Desk:
    """Where the commands of a page are typed."""
    if path not in HOST_TERMS:
        desk: Desk = request.getfixturevalue({DISTURBED: "disturbed_desk", TENANTS: "tenant_desk"}.get(path, "desk"))
        return desk
    make = request.getfixturevalue("host_desk")
    assert callable(make)
    found = make(request.getfixturevalue("kubeconfig") if path in BESIDE_A_CLUSTER else None)
    assert isinstance(found, HostDesk)
    if path not in INSTALL:
        found.install()
    return found


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_commands_of_a_page_do_what_the_page_shows_and_leave_nothing_behind(path: Path, page_desk: Desk) -> None:
    desk = page_desk
    before = desk.objects()
    try:
        for step in runnable(path):
            if isinstance(step, File):
                desk.save(step.name, step.text)
            elif problem := problem_of(step, desk):
                pytest.fail(f"{step}\n{problem}", pytrace=False)
        assert desk.objects() == before
    finally:
        desk.remove(desk.objects() - before)


@pytest.mark.parametrize("command", [it for it in commands() if rule_of(it.text)], ids=str)
def test_a_command_that_is_not_run_is_checked_as_far_as_can_be(command: Command) -> None:
    rule = rule_of(typed(command))
    assert rule
    assert rule.reason
    assert rule.check(typed(command)) == ""


def test_every_command_stands_in_a_console_block_of_a_page() -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r"^\$ ", text, re.MULTILINE)) == len(
            [step for step in page_steps(path) if isinstance(step, Command)]
        ), f"{path}: a line that begins with `$ ` is in a block that is not ```console"
        assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) <= {"console", "yaml", "xml", "promql", "text"}, (
            path
        )
