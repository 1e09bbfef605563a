"""Recordings of a real KubeVirt v1.9.0, step by step. They are no part of the repository: tests skip without them."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cachemon.controller.vmi import LauncherPod, Vmi, parse_vmi
from cachemon.model.api import ObjectName
from lab.repository import REPOSITORY

KUBEVIRT = Path(os.environ.get("CACHEMON_SAMPLES", REPOSITORY.parent / "shared")) / "kubevirt"

STEP = re.compile(r"^vmi=(?P<uid>\S+) (?P<phase>\S+) nodeName=(?P<node>\S*) .*?sockets=(?P<spec>\d+)/(?P<now>\d+) ")
MIGRATION = re.compile(
    r"mig=\[(?P<pod>\S*) start=\S* end=\S* completed=(?P<completed>\S*) failed=(?P<failed>\S*) "
    r"mode=\S* detected=\S* ready=(?P<ready>\S*)\]"
)
POD = re.compile(r"pod (?P<name>\S+) (?P<uid>\S+) node=(?P<node>\S*) labelNode=\S* (?P<phase>\S+) del=")
QEMU = re.compile(r"^ init\d* qemu (?P<pid>\d+) start=(?P<start>\d+) (?P<pod>\S+): (?P<threads>.*)")
THREAD = re.compile(r"(\d+)=(CPU \d+/TCG)")


@dataclass(frozen=True)
class RecordedQemu:
    """A QEMU process; of its threads those that the recording names, by TID: the vCPUs' as a rule."""

    pid: int
    start_time: int
    threads: Mapping[int, str]


@dataclass
class Step:
    """One moment: the VMI, its pods in the order of their making, and the QEMU of each pod that has one."""

    time: str
    vmi: Vmi
    pods: list[LauncherPod] = field(default_factory=list)
    qemus: dict[str, RecordedQemu] = field(default_factory=dict)

    @property
    def with_qemu(self) -> set[str]:
        """The pods that have one."""
        return set(self.qemus)

    @property
    def seconds(self) -> float:
        """Since midnight."""
        hours, minutes, seconds = self.time.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def recorded(name: str) -> str:
    """The text of a recording; skips the test where there is none."""
    path = KUBEVIRT / "recorded" / name
    if not path.exists():
        pytest.skip(f"no recordings at {path.parent}")
    return path.read_text()


def recording(name: str) -> list[Step]:
    """The steps of one that was taken every 0.3 s; a step is there when something had changed."""
    return list(steps(recorded(name)))


def steps(text: str) -> Iterator[Step]:
    first_seen: dict[str, str] = {}
    step: Step | None = None
    moment = ""
    for line in text.splitlines():
        if line.startswith("@ "):
            moment = line[2:]
        elif found := STEP.match(line):
            if step:
                yield step
            step = Step(moment, vmi_of(found, line))
        assert step or line.startswith("@ ")
        for match in POD.finditer(line):
            assert step
            made = first_seen.setdefault(match["uid"], moment)
            name = ObjectName("default", match["name"])
            step.pods.append(
                LauncherPod(name, match["uid"], match["node"], match["phase"], made, "vm1", step.vmi.uid)
            )
        if found := QEMU.match(line):
            assert step
            threads = {int(tid): name for tid, name in THREAD.findall(found["threads"])}
            step.qemus[found["pod"]] = RecordedQemu(int(found["pid"]), int(found["start"]), threads)
    if step:
        yield step


def vmi_of(found: re.Match[str], line: str) -> Vmi:
    state = MIGRATION.search(line)
    migration: dict[str, Any] = {}
    if state and state["pod"]:
        migration = {
            "targetPod": state["pod"],
            "targetNodeDomainReadyTimestamp": state["ready"] or None,
            "completed": state["completed"] == "true",
            "failed": state["failed"] == "true",
        }
    return parse_vmi(
        {
            "metadata": {"name": "vm1", "namespace": "default", "uid": found["uid"]},
            "spec": {"domain": {"cpu": {"sockets": int(found["spec"])}}},
            "status": {
                "phase": found["phase"],
                "nodeName": found["node"],
                "currentCPUTopology": {"sockets": int(found["now"]), "cores": 1, "threads": 1},
                "migrationState": migration,
            },
        }
    )
