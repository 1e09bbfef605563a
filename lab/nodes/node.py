"""A node of a real cluster: containerd, runc and a kubelet, in namespaces for network, mounts and processes."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.nodes.cgroups import NodeCgroups
from lab.nodes.control_plane import RealControlPlane
from lab.nodes.images import PAUSE
from lab.nodes.network import POD_NETWORKS, await_namespace, connect, node_address
from lab.nodes.programs import NodePrograms
from lab.program_logs import LOGS
from lab.server_process import ServerProcess
from lab.wait import until

_INIT = Path(__file__).with_name("node-init.sh")
_SOCKET = "/run/containerd/containerd.sock"  # in the node's own /run
_START_SECONDS = 60

_CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE, as in most sandboxes, runc can't lower an OOM score and dies otherwise:
  # "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""

_CNI = """\
{{"cniVersion": "0.4.0", "name": "lab", "plugins": [{{"type": "bridge", "bridge": "pods", "isGateway": true, "ipam":
{{"type": "host-local", "dataDir": "{folder}/ipam", "ranges": [[{{"subnet": "{subnet}"}}]],
"routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"""


class NodeError(RuntimeError):
    """A node did not do what the lab asked for."""


class RealNode:
    """A node that joins a control plane; `stop` ends all that runs on it.

    Args:
        control_plane: it runs already.
        programs: the kubelet.
        name: one of the names that the control plane was given.
        number: from 1.
    """

    def __init__(self, control_plane: RealControlPlane, programs: NodePrograms, name: str, number: int) -> None:
        self.name = name
        self._work = control_plane.work
        self._folder = control_plane.work / name
        self._cgroups = NodeCgroups(name)
        for part in ("cni", "containerd", "kubelet", "log", "volume-plugins"):
            (self._folder / part).mkdir(parents=True)
        for program in ("containerd", "kubelet"):
            LOGS.add(self._folder / "log" / f"{program}.log")
        self._configure(number)
        self._cgroups.make()
        self._process = self._start(programs.kubelet, number)
        connect(control_plane.network_pid, self._process.pid, number)
        self._init_pid = until("the node's first process", self._first_child)

    @property
    def init_pid(self) -> int:
        """Of the first process, as the lab knows it; on the node it is 1."""
        return self._init_pid

    def enter(self, *command: str | Path) -> list[str | Path]:
        """A command that runs on the node."""
        return ["nsenter", f"--target={self._init_pid}", "--mount", "--net", "--pid", "--", *command]

    def import_images(self, archives: Sequence[Path]) -> None:
        """Give the node images; there is no registry.

        Raises:
            NodeError: containerd refused.
        """
        until(f"containerd of {self.name}", self._containerd_answers, seconds=_START_SECONDS)
        for archive in archives:
            ctr = self.enter("ctr", "--namespace", "k8s.io", "images", "import", "--no-unpack", archive)
            done = subprocess.run(ctr, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NodeError(f"{archive} can't be imported: {done.stderr}")

    def stop(self) -> None:
        """Kill the first process, and with it everything."""
        self._process.kill()
        self._cgroups.remove()

    def log_tail(self) -> str:
        """The end of the kubelet's log."""
        log = self._folder / "log" / "kubelet.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else self._process.log_tail()

    def _start(self, kubelet: Path, number: int) -> ServerProcess:
        flags = (
            f"--config={self._folder / 'kubelet.yaml'}",
            f"--kubeconfig={self._work / self.name}.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={node_address(number)}",
            f"--root-dir={self._folder / 'kubelet'}",
            f"--cert-dir={self._folder / 'kubelet-pki'}",
        )
        process = ServerProcess(
            ["unshare", "--net", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child",
             "--mount-proc", "--", "bash", _INIT, self._folder, kubelet, *flags],
            self._folder / "log" / "init.log",
        )  # fmt: skip
        await_namespace(process.pid, "net")
        return process

    def _configure(self, number: int) -> None:
        subnet = POD_NETWORKS.format(number=number)
        (self._folder / "cni" / "10-lab.conflist").write_text(_CNI.format(folder=self._folder, subnet=subnet))
        containerd = _CONTAINERD.format(folder=self._folder, socket=_SOCKET, pause=PAUSE)
        (self._folder / "containerd.toml").write_text(containerd)
        (self._folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet_configuration()))

    def _kubelet_configuration(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,  # from 1.35 on it refuses version 1 otherwise
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self._cgroups.path,
            "enforceNodeAllocatable": [],
            "containerRuntimeEndpoint": f"unix://{_SOCKET}",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},  # only our own namespaces reach it
            "failSwapOn": False,
            "evictionHard": {},
            "imageGCHighThresholdPercent": 100,
            "resolvConf": "",  # the host's may point into its /run
            "podLogsDir": str(self._folder / "log" / "pods"),
            "volumePluginDir": str(self._folder / "volume-plugins"),
        }

    def _first_child(self) -> int | None:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else None

    def _containerd_answers(self) -> bool:
        if self._process.exit_status is not None:
            raise NodeError(f"{self.name} ended; {self._process.log_tail()}")
        return not subprocess.run(self.enter("ctr", "version"), capture_output=True, check=False).returncode
