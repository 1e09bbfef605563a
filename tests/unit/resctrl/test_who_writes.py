"""One module changes resctrl, and it changes nothing but mon_groups of ours."""

import ast
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.errors import ResctrlError
from cachemon.model.mbm_counters import CounterPlan, MbmCounter
from cachemon.model.mon_groups import OWN_PREFIX, ROOT, MonGroupName
from cachemon.model.plan import Action, Create, Move, Plan, Release, Remove
from cachemon.model.threads import Thread, ThreadClass
from cachemon.resctrl.apply import apply_counters, apply_plan
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.repository import REPOSITORY

PACKAGE = REPOSITORY / "operator/cachemon"
WRITER = "resctrl/tree_writer.py"
CHANGING_CALLS = {
    "chmod", "chown", "copy", "copyfile", "copytree", "hardlink_to", "link", "makedirs", "mkdir", "mkfifo", "move",
    "pwrite", "remove", "removedirs", "rename", "renames", "rmdir", "rmtree", "sendfile", "symlink", "symlink_to",
    "touch", "truncate", "unlink", "write", "write_bytes", "write_text", "writelines", "writev",
}  # fmt: skip
READING_FLAGS = {"O_RDONLY", "O_PATH", "O_DIRECTORY", "O_CLOEXEC"}
OTHER_PACKAGES = {
    "commands": "stdout",
    "daemon": "HTTP answers, and certificates",
    "kube": "the socket of kubectl proxy: its requests, and its folder",
    "plugin": "stdout",
    "web": "stdout, HTTP answers, and a folder of its own for the browser's first address",
    "host": "the host agent's socket, directory and file of live groups",
}
"""Packages that change something which is not below resctrl."""


def changes_in(source: str) -> set[str]:
    """Names of the calls in a module that may change a file system."""
    nodes = [*ast.walk(ast.parse(source))]
    awaited = {node.value for node in nodes if isinstance(node, ast.Await)}  # no system call is
    calls = (node for node in nodes if isinstance(node, ast.Call) and node not in awaited)
    return {name for call in calls for name in _changes(call)}


def _changes(call: ast.Call) -> Iterator[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if isinstance(function, ast.Attribute) and name in CHANGING_CALLS and not _is_container_method(call, name):
        yield name
    if isinstance(function, ast.Attribute) and name == "replace" and getattr(function.value, "id", "") == "os":
        yield name
    if name in ("open", "fdopen"):
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        flags = {node.attr for part in given for node in ast.walk(part) if isinstance(node, ast.Attribute)}
        modes = {node.value for part in given for node in ast.walk(part) if isinstance(node, ast.Constant)}
        opens = any(flag.startswith("O_") and flag not in READING_FLAGS for flag in flags)
        if opens or any(isinstance(mode, str) and set(mode) & set("wax+") and len(mode) <= 3 for mode in modes):
            yield name


def _is_container_method(call: ast.Call, name: str) -> bool:
    """Of these names some are methods of lists, sets and dicts too: those take no path."""
    return name in ("copy", "remove", "move", "link") and not _receiver(call).startswith(("os", "shutil"))


def _receiver(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def sources() -> dict[str, str]:
    """Every module of the package by its path."""
    return {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}


def test_one_module_changes_resctrl() -> None:
    found = {module: changes for module, source in sources().items() if (changes := changes_in(source))}
    assert found.pop(WRITER) == {"mkdir", "rmdir", "open", "write"}
    del found["resctrl/system_calls.py"]
    assert {module.partition("/")[0] for module in found} <= OTHER_PACKAGES.keys()


def test_no_other_module_makes_a_system_call_of_the_adapter_that_changes_something() -> None:
    for module, source in sources().items():
        calls = {name for name in changes_in(source) if f"calls.{name}(" in source}
        assert not calls or module == WRITER, module


@pytest.mark.parametrize(
    "statement",
    [
        "calls.mkdir(path)",
        "self._calls.rmdir(path)",
        "tree.calls.write(descriptor, data)",
        "tree.calls.open(path, os.O_WRONLY)",
        "os.open(path, os.O_RDWR | os.O_CLOEXEC)",
        "(root / 'tasks').write_text('1')",
        "path.open('w')",
        "open(path, mode='r+')",
        "os.replace(one, other)",
        "os.remove(path)",
    ],
)
def test_a_change_is_recognized(statement: str) -> None:
    assert changes_in(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "calls.open(path, os.O_RDONLY | os.O_DIRECTORY)",
        "open(path)",
        "names.remove(x)",
        "text.replace('a', 'b')",
        "async def f(): await writer.write(layout)",
    ],
)
def test_reading_is_no_change(statement: str) -> None:
    assert not changes_in(statement)


class Recorder(SystemCalls):
    """Answers every call, and notes each; of those that change something the path as well."""

    def __init__(self) -> None:
        self.made: list[object] = []
        self.changed: list[Path] = []

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        self.made.append((path, flags, dir_fd))
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self.changed.append(Path(path))
        return len(self.made)

    def close(self, descriptor: int) -> None:
        self.made.append(descriptor)

    def read(self, descriptor: int, length: int) -> bytes:
        self.made.append((descriptor, length))
        return b""

    def write(self, descriptor: int, data: bytes) -> int:
        self.made.append((descriptor, data))
        return len(data)

    def mkdir(self, path: Path) -> None:
        self.made.append(path)
        self.changed.append(path)

    def rmdir(self, path: Path) -> None:
        self.made.append(path)
        self.changed.append(path)

    def try_lock(self, descriptor: int) -> None:
        self.made.append(descriptor)


TREE = Path("/sys/fs/resctrl")
NAMES = st.one_of(
    st.sampled_from([ROOT, ".", "..", "gold", "info", "mon_groups", "mon_data", "theirs", "cachemon", "cachemon-"]),
    st.sampled_from(["cachemon-a", "cachemon-../theirs", "cachemon-a/../theirs", "gold/mon_groups/theirs", "../etc"]),
    st.text(max_size=12),
    st.text(max_size=12).map(lambda text: OWN_PREFIX + text),
)
GROUPS = st.builds(MonGroupName, NAMES, NAMES)
TIDS = st.integers(1, 1 << 22)
THREADS = st.lists(st.builds(Thread, TIDS, st.just(1), st.just(ThreadClass.EMULATOR), st.none()), max_size=3).map(
    tuple
)
COUNTERS = st.builds(MbmCounter, GROUPS, st.just("mbm_total_bytes"), st.integers(0, 9))


def is_ours(path: Path) -> bool:
    """Whether a path is that of a mon_group of ours, or of a file in it, however its name is written."""
    parts = Path(os.path.normpath(path)).relative_to(TREE).parts
    places = [place for place in (0, 1) if parts[place : place + 1] == ("mon_groups",)]
    return any(len(parts) > place + 1 and parts[place + 1].startswith(OWN_PREFIX) for place in places)


def is_one_name(name: str) -> bool:
    return Path(name).parts == (name,) and name != ".." and "\0" not in name


def changes_of(tree: ResctrlTree, where: MonGroupName, tid: int) -> list[Callable[[], object]]:
    """Everything that can be done to a mon_group."""
    counter = MbmCounter(where, "mbm_total_bytes", 0)
    return [
        lambda: tree.create(where),
        lambda: tree.remove(where),
        lambda: tree.write_tid(where, tid),
        lambda: tree.assign_counter(counter),
        lambda: tree.unassign_counter(counter),
    ]


@given(GROUPS, TIDS)
def test_a_mon_group_that_is_not_ours_is_refused_before_any_system_call(where: MonGroupName, tid: int) -> None:
    calls = Recorder()
    names = [where.name, *([where.control_group] if where.control_group else [])]
    for change in changes_of(ResctrlTree(TREE, calls=calls), where, tid):
        calls.made.clear()
        if where.name.startswith("cachemon-") and all(map(is_one_name, names)):
            change()
            assert calls.made
        else:
            with pytest.raises(ResctrlError, match="not ours"):
                change()
            assert not calls.made
    assert all(map(is_ours, calls.changed))


@given(NAMES, TIDS)
def test_a_thread_is_released_to_the_tasks_of_a_control_group_alone(name: str, tid: int) -> None:
    calls = Recorder()
    tree = ResctrlTree(TREE, calls=calls)
    if name == ROOT or (is_one_name(name) and name not in ("info", "mon_groups", "mon_data")):
        tree.release_tid(name, tid)
        assert calls.changed == [TREE / name / "tasks"]
    else:
        with pytest.raises(ResctrlError, match="names no control group"):
            tree.release_tid(name, tid)
        assert not calls.made


ACTIONS = st.one_of(
    st.builds(Create, GROUPS),
    st.builds(Move, GROUPS, THREADS),
    st.builds(Release, NAMES, THREADS),
    st.builds(Remove, GROUPS),
)


@given(st.lists(ACTIONS, max_size=6))
def test_no_plan_changes_what_is_not_ours_but_the_tasks_of_control_groups(actions: list[Action]) -> None:
    calls = Recorder()
    with suppress(ResctrlError):
        apply_plan(ResctrlTree(TREE, calls=calls), Plan(tuple(actions), {}, {}, {}), lambda _: True)
    released = {TREE / action.control_group / "tasks" for action in actions if isinstance(action, Release)}
    assert all(is_ours(path) or path in released for path in calls.changed)


@given(st.lists(COUNTERS, max_size=4), st.lists(COUNTERS, max_size=4))
def test_no_plan_assigns_counters_of_others(release: list[MbmCounter], assign: list[MbmCounter]) -> None:
    calls = Recorder()
    with suppress(ResctrlError):
        apply_counters(ResctrlTree(TREE, calls=calls), CounterPlan(tuple(release), tuple(assign)))
    assert all(map(is_ours, calls.changed))
