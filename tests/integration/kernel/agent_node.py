"""What the guest runs as a node: a process that /proc shows as a QEMU of KubeVirt's, and the agent."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cachemon.kube.login import SERVICE_ACCOUNT
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.kernel.init import RESCTRL, Report
from lab.speed import allowance
from lab.vms.cgroups import pod_cgroup
from lab.vms.launcher import container_id
from lab.wait import until
from tests.integration.kernel.machine import home_by_proc

_QEMU = Path("/usr/bin/qemu-system-x86_64")
_STAND_IN = Path(__file__).with_name("stand_in_qemu.py")
_AGENT = "from cachemon.agent.main import main; raise SystemExit(main())"
_MOST_SECONDS = 300


def main(orders: Mapping[str, Any], report: Report) -> None:
    """Report the vCPU threads' mon_groups when they have some, and again when they have been left by them."""
    qemu = start_qemu(orders["guest_name"], orders["pod_uid"], orders["vcpus"])
    try:
        tids = until("QEMU's threads", lambda: vcpu_threads(qemu.pid, orders["vcpus"]))
        agent = start_agent(orders["service_account"], orders["node"])
        try:
            report({"tids": tids})
            homes = until("a mon_group for each vCPU", lambda: own_homes(agent, tids), seconds=_MOST_SECONDS)
            report({"homes": homes})
            until("the mon_groups to go", lambda: works(agent) and no_group_is_ours(), seconds=_MOST_SECONDS)
            report({"left": {vcpu: home_by_proc(tid).name for vcpu, tid in tids.items()}})
        finally:
            agent.terminate()
            report({"agent": agent.wait(allowance(30))})
    finally:
        qemu.kill()
        qemu.wait()


def start_qemu(guest_name: str, pod_uid: str, vcpus: int) -> "subprocess.Popen[bytes]":
    """A process with the name, the command line, the cgroup and the threads of a QEMU."""
    _QEMU.parent.mkdir(parents=True, exist_ok=True)
    _QEMU.symlink_to(Path(sys.executable).resolve())
    group = pod_cgroup(Path("/sys/fs/cgroup"), pod_uid, container_id(pod_uid))
    group.mkdir(parents=True)

    def enter() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    name = f"guest={guest_name},debug-threads=on"
    return subprocess.Popen([_QEMU, _STAND_IN, "-name", name, "-smp", str(vcpus)], preexec_fn=enter)  # noqa: PLW1509


def vcpu_threads(pid: int, vcpus: int) -> dict[str, int] | None:
    """TIDs by vCPU; None while they are not all there."""
    names = {path.name: (path / "comm").read_text().strip() for path in Path(f"/proc/{pid}/task").iterdir()}
    found = {
        name.removeprefix("CPU ").removesuffix("/TCG"): int(tid)
        for tid, name in names.items()
        if name.startswith("CPU ")
    }
    return found if len(found) == vcpus else None


def start_agent(service_account: Mapping[str, Mapping[str, str]], node: str) -> "subprocess.Popen[bytes]":
    """The program cachemon-agent with the credentials of its pod; what it logs is on the guest's console."""
    SERVICE_ACCOUNT.mkdir(parents=True)
    for name, content in service_account["files"].items():
        (SERVICE_ACCOUNT / name).write_text(content)
    flags = [f"--node-name={node}", "--node-period=1", "--scan-period=0.5", "--rate-window=2", "--metrics-address="]
    environment = {**os.environ, **service_account["environment"]}
    return subprocess.Popen([sys.executable, "-c", _AGENT, *flags], env=environment)


def works(agent: "subprocess.Popen[bytes]") -> bool:
    """Always; it is an error if the agent has ended."""
    if agent.poll() is not None:
        raise RuntimeError(f"the agent ended with status {agent.returncode}")
    return True


def own_homes(agent: "subprocess.Popen[bytes]", tids: Mapping[str, int]) -> dict[str, str] | None:
    """Mon_groups of the vCPUs; None while one has none of ours."""
    homes = {vcpu: home_by_proc(tid) for vcpu, tid in tids.items()}
    ours = works(agent) and all(home.is_ours for home in homes.values())
    return {vcpu: home.name for vcpu, home in homes.items()} if ours else None


def no_group_is_ours() -> bool:
    """Whether the agent has removed all its mon_groups."""
    return not any(where.is_ours for where in ResctrlTree(RESCTRL).observe().mon_groups)
