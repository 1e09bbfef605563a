"""An emulated resctrl on every node of a cluster, where agents look for the real one."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lab.nodes import emulate
from lab.nodes.kubectl import Kubectl
from resctrl_emulator.client import ControlClient, ControlError

EMULATOR_NAMESPACE = "cachemon-lab"
_NAME = "resctrl-emulator"
_LABELS = {"app.kubernetes.io/name": _NAME}
_ASK = """\
import json, sys
from pathlib import Path, PurePosixPath
from resctrl_emulator.client import ControlClient, ControlError
try:
    print(json.dumps(ControlClient(Path({socket!r})).request(json.load(sys.stdin))))
except ControlError as error:
    print(json.dumps({{"error": str(error)}}))
"""


def emulator_objects(image: str, host_path: str = "/sys/fs/resctrl") -> list[dict[str, Any]]:
    """A DaemonSet that mounts the emulator at a path of the host, and its namespace.

    It is privileged, sees all processes of its node, and lets the host see its mount (Bidirectional).
    """
    mountpoint = PurePosixPath(host_path)
    mount = {"name": "parent", "mountPath": str(emulate.PARENT), "mountPropagation": "Bidirectional"}
    container = {
        "name": "emulator",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/resctrl-emulator/bin/python", "-c", Path(emulate.__file__).read_text(encoding="utf-8")],
        "env": [{"name": "MOUNTPOINT", "value": mountpoint.name}],
        "securityContext": {"privileged": True},
        "volumeMounts": [mount, {"name": "control", "mountPath": str(Path(emulate.SOCKET).parent)}],
        "readinessProbe": {
            "exec": {"command": ["test", "-d", f"{emulate.PARENT / mountpoint.name}/mon_groups"]},
            "periodSeconds": 1,
        },
    }
    pod = {
        "hostPID": True,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            {"name": "parent", "hostPath": {"path": str(mountpoint.parent), "type": "DirectoryOrCreate"}},
            {"name": "control", "emptyDir": {}},
        ],
    }
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _NAME, "namespace": EMULATOR_NAMESPACE},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EMULATOR_NAMESPACE, "labels": labels}}
    return [namespace, daemon_set]


def emulator_pods(kubectl: Kubectl) -> dict[str, str]:
    """Name of the emulator's pod by node."""
    selector = ",".join(f"--selector={key}={value}" for key, value in _LABELS.items())
    pods = kubectl.items("pods", f"--namespace={EMULATOR_NAMESPACE}", selector)
    return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}


def on_node(kubectl: Kubectl, pod: str, script: str, given: str = "") -> str:
    """Run Python in the emulator's pod, which sees the processes of its whole node; returns what it printed."""
    where = ("exec", "--stdin", f"--namespace={EMULATOR_NAMESPACE}", pod, "--")
    return kubectl.run(*where, "/opt/resctrl-emulator/bin/python", "-c", script, given=given)


class PodControl(ControlClient):
    """The control socket of an emulator in a pod.

    Args:
        kubectl: of the cluster.
        pod: the emulator's.
    """

    def __init__(self, kubectl: Kubectl, pod: str) -> None:
        super().__init__(Path(emulate.SOCKET))
        self._kubectl = kubectl
        self.pod = pod

    def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            ControlError: the emulator refused it.
        """
        output = on_node(self._kubectl, self.pod, _ASK.format(socket=emulate.SOCKET), json.dumps(request))
        answer: dict[str, Any] = json.loads(output)
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer
