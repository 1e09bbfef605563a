"""Groups made with --live: they last as long as the run of their domain, and survive a restart of the agent.

They are kept in a file in the agent's runtime directory, with the process that is the run: libvirt has no place for
what ends with a run.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cachemon.host.wire import parse_group_request, render_group_request
from cachemon.model.errors import CachemonError, InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import MonitoringGroup
from cachemon.qemu.domain_processes import DomainProcesses, Run

__all__ = ["KeptRun", "LiveGroups", "LiveGroupsUnwritableError", "parse_live", "render_live"]

log = logging.getLogger(__name__)

_VERSION = 1
_MOST_BYTES = 16 * 1024 * 1024
_FILE = "live.json"


class LiveGroupsUnwritableError(CachemonError):
    """The file can't be written, so that the groups would not survive a restart: nothing was changed."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """The groups of one run of a domain; at least one."""

    run: Run
    groups: tuple[MonitoringGroup, ...]


class Parsed(NamedTuple):
    """What a file said.

    Attributes:
        runs: by UUID of the domain.
        problems: what in it is not valid and was left out.
    """

    runs: Mapping[str, KeptRun]
    problems: tuple[str, ...]


def render_live(runs: Mapping[str, KeptRun]) -> bytes:
    """The content of the file."""
    items = [
        {
            "uuid": uuid,
            "pid": kept.run.pid,
            "startTime": kept.run.start_time,
            "groups": [render_group_request(group) for group in kept.groups],
        }
        for uuid, kept in runs.items()
    ]
    return json.dumps({"version": _VERSION, "runs": items}, indent=1).encode() + b"\n"


def parse_live(content: bytes) -> Parsed:
    """Read the file, whatever is in it: a part that is not valid costs no other part anything."""
    try:
        document = json.loads(content)
        version, items = document["version"], document["runs"]
    except (KeyError, TypeError, ValueError, RecursionError) as err:
        return Parsed({}, (f"it can't be read: {err!r}",))
    if version != _VERSION or not isinstance(items, list):
        return Parsed({}, (f"it is of version {version!r}, and this agent knows version {_VERSION}",))
    runs: dict[str, KeptRun] = {}
    problems: list[str] = []
    for item in items:
        try:
            uuid, run, groups = str(item["uuid"]), _run(item), item["groups"]
        except (KeyError, TypeError, ValueError) as err:
            problems.append(f"the groups of a domain can't be read: {err!r}")
            continue
        found = tuple(_groups(uuid, groups if isinstance(groups, list) else [groups], problems))
        if found:
            runs[uuid] = KeptRun(run, found)
    return Parsed(runs, tuple(problems))


def _run(item: Mapping[str, Any]) -> Run:
    pid, start_time = item["pid"], item["startTime"]
    if not (type(pid) is int and type(start_time) is int):
        raise ValueError(f"{pid!r} and {start_time!r} must be whole numbers")
    return Run(pid, start_time)


def _groups(uuid: str, items: Iterable[Any], problems: list[str]) -> Iterable[MonitoringGroup]:
    names: set[str] = set()
    for item in items:
        if len(names) == MOST_GROUPS:
            problems.append(f"domain {uuid} has more than {MOST_GROUPS} groups; the others are left out")
            return
        try:
            group = parse_group_request(item)
        except InvalidInputError as err:
            problems.append(f"a group of domain {uuid} is not valid: {err}")
            continue
        if group.name not in names:
            names.add(group.name)
            yield group


class LiveGroups:
    """The groups, in memory and in the file; both say the same at any time.

    Args:
        directory: where the file is kept; must exist.
        domains: tells whether a run goes on.

    Attributes:
        is_loaded: whether `load` was called.
    """

    def __init__(self, directory: Path, domains: DomainProcesses) -> None:
        self._path = directory / _FILE
        self._domains = domains
        self._runs: dict[str, KeptRun] = {}
        self.is_loaded = False

    def load(self) -> None:
        """Take up what an agent before us kept; what of it can't be read is told, and put aside."""
        self.is_loaded = True
        try:
            with self._path.open("rb") as file:
                content = file.read(_MOST_BYTES)
        except FileNotFoundError:
            return
        except OSError as err:
            log.warning("--live groups: %s can't be read (%s); make them again", self._path, err.strerror)
            return
        parsed = parse_live(content)
        if parsed.problems:
            aside = self._path.with_suffix(".damaged")
            with suppress(OSError):
                aside.write_bytes(content)
            for problem in parsed.problems:
                log.warning("--live groups: %s is damaged: %s; a copy is kept at %s", self._path, problem, aside)
        self._runs = dict(parsed.runs)

    def by_domain(self) -> Mapping[str, Sequence[MonitoringGroup]]:
        """The groups of the runs that go on, by UUID; those of others are dropped."""
        ended = [uuid for uuid, kept in self._runs.items() if not self._domains.goes_on(kept.run)]
        if ended:
            self._runs = {uuid: kept for uuid, kept in self._runs.items() if uuid not in ended}
            log.info("--live groups of %s have ended with the run", ", ".join(ended))
            try:
                self._write(self._runs)
            except LiveGroupsUnwritableError as err:
                log.warning("%s", err)  # the file has too much, and the run is looked at whenever it is read
        return {uuid: kept.groups for uuid, kept in self._runs.items()}

    def add(self, uuid: str, run: Run, group: MonitoringGroup) -> None:
        """Keep a group for this run; the caller has seen to it that the domain has none of its name.

        Raises:
            LiveGroupsUnwritableError: nothing was changed.
        """
        kept = self._runs.get(uuid)
        before = kept.groups if kept and kept.run == run else ()
        self._become({**self._runs, uuid: KeptRun(run, (*before, group))})

    def remove(self, uuid: str, name: str) -> bool:
        """Keep a group no longer. Answers whether there was one.

        Raises:
            LiveGroupsUnwritableError: nothing was changed.
        """
        kept = self._runs.get(uuid)
        if kept is None or name not in {group.name for group in kept.groups}:
            return False
        left = tuple(group for group in kept.groups if group.name != name)
        runs = {other: it for other, it in self._runs.items() if other != uuid}
        self._become({**runs, uuid: KeptRun(kept.run, left)} if left else runs)
        return True

    def _become(self, runs: dict[str, KeptRun]) -> None:
        self._write(runs)
        self._runs = runs

    def _write(self, runs: Mapping[str, KeptRun]) -> None:
        """The whole file or nothing of it, whenever we are killed."""
        new = self._path.with_suffix(".new")
        try:
            with new.open("wb") as file:
                file.write(render_live(runs))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as err:
            raise LiveGroupsUnwritableError(
                f"{self._path} can't be written ({err.strerror}), so the group would not survive a restart of the "
                "agent; make room there, or see to its rights"
            ) from err
