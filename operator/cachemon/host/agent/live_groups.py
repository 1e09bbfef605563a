"""Groups made with --live: they end with the run of their domain, and survive a restart of the agent.

A file in the agent's runtime directory keeps them, with the process of the run: libvirt keeps nothing that ends with
a run.
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

log = logging.getLogger(__name__)

_VERSION = 1
_MOST_BYTES = 16 * 1024 * 1024
_FILE = "live.json"


class LiveGroupsUnwritableError(CachemonError):
    """The file can't be written. Nothing has changed: the groups would not survive a restart."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """The groups of one run of a domain; at least one."""

    run: Run
    groups: tuple[MonitoringGroup, ...]


class LiveFile(NamedTuple):
    """The content of the file."""

    runs: Mapping[str, KeptRun]  # by UUID of the domain
    problems: tuple[str, ...]  # for people, what is not valid and left out


def render_live(runs: Mapping[str, KeptRun]) -> bytes:
    """Render the file."""
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


def parse_live(content: bytes) -> LiveFile:
    """Parse the file. Never raises: the valid parts count, and `problems` has the others."""
    try:
        document = json.loads(content)
        version, items = document["version"], document["runs"]
    except (KeyError, TypeError, ValueError, RecursionError) as err:
        return LiveFile({}, (f"it can't be read: {err!r}",))
    if version != _VERSION or not isinstance(items, list):
        return LiveFile({}, (f"it is of version {version!r}, and this agent knows version {_VERSION}",))
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
    return LiveFile(runs, tuple(problems))


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
    """The groups, in memory and in the file of this directory; both are equal at any time.

    LiveGroupsUnwritableError when the file can't be written; then nothing has changed.
    """

    def __init__(self, directory: Path, domains: DomainProcesses) -> None:
        self._path = directory / _FILE
        self._domains = domains
        self._runs: dict[str, KeptRun] = {}
        self.is_loaded = False

    def load(self) -> None:
        """Load what an earlier agent kept. Log what is not valid, and keep a copy of the file."""
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
        """The groups by UUID of the runs that continue. Drops the others."""
        ended = [uuid for uuid, kept in self._runs.items() if not self._domains.goes_on(kept.run)]
        if ended:
            self._runs = {uuid: kept for uuid, kept in self._runs.items() if uuid not in ended}
            log.info("--live groups of %s have ended with the run", ", ".join(ended))
            try:
                self._write(self._runs)
            except LiveGroupsUnwritableError as err:
                log.warning("%s", err)  # harmless: ended runs are dropped again after the next load
        return {uuid: kept.groups for uuid, kept in self._runs.items()}

    def add(self, uuid: str, run: Run, group: MonitoringGroup) -> None:
        """Keep a group for this run. The caller checks that the domain has no group of its name."""
        kept = self._runs.get(uuid)
        before = kept.groups if kept and kept.run == run else ()
        self._replace({**self._runs, uuid: KeptRun(run, (*before, group))})

    def remove(self, uuid: str, name: str) -> bool:
        """Drop a group. Returns whether there was one."""
        kept = self._runs.get(uuid)
        if kept is None or name not in {group.name for group in kept.groups}:
            return False
        left = tuple(group for group in kept.groups if group.name != name)
        runs = {other: it for other, it in self._runs.items() if other != uuid}
        self._replace({**runs, uuid: KeptRun(kept.run, left)} if left else runs)
        return True

    def _replace(self, runs: dict[str, KeptRun]) -> None:
        self._write(runs)
        self._runs = runs

    def _write(self, runs: Mapping[str, KeptRun]) -> None:
        """Write all of the file or nothing, even when the agent is killed."""
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
                "agent; free space there, or correct its permissions"
            ) from err
