"""Every way in which programs of this kind went wrong has a test: groups, threads, topology, the API."""

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
    22: "cache ids with gaps, blocks that come and go, directories that are no cache blocks",
    24: "a control group's counter is added to those of its mon_groups",
    27: "resctrl is not mounted, mounted late, or mounted again",
    29: "the API server is away, slow, or refuses what is written",
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


def test_every_pitfall_that_is_listed_has_a_test() -> None:
    found = marked(Path(__file__).parents[1])
    assert [f"{number}: {what}" for number, what in PITFALLS.items() if number not in found] == []
