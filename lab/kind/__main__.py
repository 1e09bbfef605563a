"""`make kind`: the same as `make cluster`, on a cluster that kind makes with Docker or Podman.

kind stands for "Kubernetes in Docker" (kind.sigs.k8s.io): each node is a container. The cluster stays until
`kind delete cluster --name cachemon`, or until Ctrl-C where the lab had to start a Docker of its own.
"""

import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from lab.kind.cluster import DELETE, WORKERS, KindCluster, KindError, NoNodeImageError
from lab.kind.engines import Engine, engine_of
from lab.kind.own_docker import DockerError, OwnDocker, why_not
from lab.kind.programs import kind_program
from lab.nodes.buildah import ImageError
from lab.nodes.chart import LAB_VALUES
from lab.nodes.demo_vms import start_vms
from lab.nodes.guide import guide
from lab.nodes.images import EMULATOR, VIRT_LAUNCHER
from lab.nodes.install import Installation
from lab.program_cache import BinariesError, user_cache
from lab.progress import say_on_stderr

_RESCTRL = "/run/cachemon/resctrl"  # nobody can make a directory in a node's /sys


def main() -> int:
    """Make the cluster, and say how to use it; one line where there is no engine."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what runs in the background ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    found = engine_of()
    reason = why_not()
    if found is None and reason:
        say_on_stderr(
            f"no kind cluster: neither docker nor podman answers here, and {reason}; `make cluster` needs neither"
        )
        return 0
    try:
        with ExitStack() as stack:
            if found:
                return _run(Engine(found, {}), user_cache() / "kind" / "kubeconfig", own=False)
            say_on_stderr("neither docker nor podman answers here: starting a dockerd of the lab's own")
            docker = stack.enter_context(OwnDocker())
            return _run(Engine("docker", docker.environment, docker.api_port), docker.work / "kubeconfig", own=True)
    except (BinariesError, DockerError, ImageError, KindError) as error:
        say_on_stderr(str(error))
        return 1
    except KeyboardInterrupt:
        say_on_stderr("ended" if found else "ended; nothing is left of it")
        return 0


def _run(engine: Engine, kubeconfig: Path, *, own: bool) -> int:
    began = time.monotonic()
    program = Path(shutil.which("kind") or kind_program(say_on_stderr))
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    cluster = KindCluster(program, engine, kubeconfig, say_on_stderr)
    if cluster.exists():
        raise KindError(f"it is there already, KUBECONFIG={kubeconfig}; to begin anew: {DELETE}")
    _make(cluster, can_pull=not own)
    _install(kubeconfig)
    say_on_stderr(f"{time.monotonic() - began:.0f} s")
    end = "Ctrl-C here ends it, and leaves nothing behind." if own else f"It stays until: {DELETE}"
    print(guide(kubeconfig, end), flush=True)
    if own:
        threading.Event().wait()
    return 0


def _make(cluster: KindCluster, *, can_pull: bool) -> None:
    if can_pull:
        try:
            cluster.make()
        except NoNodeImageError:
            say_on_stderr("kind's node image can't be pulled")
        else:
            return
    say_on_stderr("making a node image of Debian's packages and Go modules")
    cluster.make_of_own_image()


def _install(kubeconfig: Path) -> None:
    values = {**LAB_VALUES, "agent": {**LAB_VALUES["agent"], "resctrl": {"hostPath": _RESCTRL}}}
    installation = Installation(kubeconfig, values, EMULATOR, _RESCTRL)
    say_on_stderr("installing an emulated resctrl on each node, and the chart")
    installation.prepare()
    installation.install()
    say_on_stderr("starting three VMs")
    start_vms(installation.kubectl, VIRT_LAUNCHER, list(WORKERS))


if __name__ == "__main__":
    sys.exit(main())
