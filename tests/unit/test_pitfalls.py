"""Every way in which programs of this kind went wrong has a test."""

import ast
from pathlib import Path

PITFALLS = {
    1: "no RMID is free: the VM waits, others go on, it is tried again",
    2: "another program removes all groups, or the whole file system",
    3: "names that other programs prune, reuse or take for theirs",
    4: "a thread is in another program's group already",
    5: "a thread's control group is another one, or changes",
    6: "a control group goes and takes its mon_groups along; a scraper makes a group anew",
    7: "the agent starts anew, dies half way, or runs twice",
    8: "a group is removed with threads in it; names are long or odd",
    9: "names made of namespace and name collide",
    10: "only the leader of a process is moved",
    11: "a thread that ended stops the rest",
    12: "a TID is reused between listing and writing",
    13: "a plugged vCPU inherits the group of the thread that made it",
    14: "QEMU ends, starts again, or is there twice in one pod",
    15: "no hostPID, no rights, a mount that can't be written",
    16: "nested cgroups, both versions",
    17: "tasks files are read in the hot path",
    18: "readings that are no number: words, nothing at all, more than a float holds",
    19: "a counter goes down, or starts with what another left: no spike, nothing below zero",
    20: "time that is not monotonic, or of another moment than the reading",
    21: "a rate that the hardware can't have",
    22: "cache ids with gaps, blocks that come and go, directories that are no cache blocks",
    23: "the parts are more than the whole cache",
    24: "a control group's counter is added to those of its mon_groups",
    25: "cache lines stay with the group that a thread has left",
    26: "a read or the lock takes its time: cycles pile up",
    27: "resctrl is not mounted, mounted late, or mounted again",
    28: "a node without the hardware crashes again and again",
    29: "the API server is away, refuses, or finds a status too large: figures stop",
    30: "series of VMs that are gone stay for ever",
    31: "commands and words in the documentation are no longer true",
}


def marked(tests: Path) -> dict[int, list[str]]:
    """The tests that carry each number."""
    found: dict[int, list[str]] = {}
    for path in tests.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for number in map(number_of, node.decorator_list):
                    if number is not None:
                        found.setdefault(number, []).append(node.name)
    return found


def number_of(decorator: ast.expr) -> int | None:
    match decorator:
        case ast.Call(func=ast.Attribute(attr="pitfall"), args=[ast.Constant(value=int(number))]):
            return number
    return None


def test_every_pitfall_has_a_test() -> None:
    found = marked(Path(__file__).parents[1])
    assert [f"{number}: {what}" for number, what in PITFALLS.items() if number not in found] == []
