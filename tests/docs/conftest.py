"""A reader's desk: the cluster as `make demo` leaves it, and a folder in which the pages' commands are typed."""

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lab.binaries import find
from lab.cluster import Cluster
from lab.demo import AGENT_FLAGS, EXAMPLES, MACHINES
from lab.prepare import REPOSITORY
from lab.vmi import Vmi
from lab.wait import until

PLACES = {"vm1": ("tenant-a", "node01"), "vm2": ("tenant-a", "node02"), "vm3": ("tenant-b", "node02")}
FOLDERS = ("examples", "crds", "manifests", "charts", "docs")
COMMAND_SECONDS = 60

# A libvirt host for `virsh`: its test driver reads it, with libvirt's own parser and in virsh's own process.
HOST = """\
<node>
  <domain type='test'>
    <name>vm2</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
    <cputune>
      <cachetune vcpus='0-1'><monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/></cachetune>
      <memorytune vcpus='0-1'><monitor vcpus='0'/></memorytune>
    </cputune>
    <os><type>hvm</type></os>
  </domain>
</node>
"""


class Desk:
    """Where commands are typed."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(REPOSITORY / name, folder / name)
        (folder / "host.xml").write_text(HOST)
        self._environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "VIRSH_DEFAULT_CONNECT_URI": f"test://{folder}/host.xml",
            "LC_ALL": "C",
        }

    def save(self, name: str, text: str) -> None:
        """As a reader saves a file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> tuple[list[str], int]:
        """What a command prints, on both streams, and its exit code."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.stdout.splitlines(), done.returncode

    def objects(self) -> set[tuple[str, str, str]]:
        """Kind, namespace and name of everything of cachemon's that people make."""
        lines, code = self.type("kubectl get cmg,cmp -A -o json")
        assert code == 0, lines
        items = json.loads("\n".join(lines))["items"]
        return {
            (item["kind"].lower(), item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items
        }

    def remove(self, objects: Iterable[tuple[str, str, str]]) -> None:
        """Objects that a page has left: the next page is not to see them. Policies go before what they stamp."""
        for kind, namespace, name in sorted(objects, reverse=True):
            self.type(f"kubectl delete {kind} {name} --ignore-not-found {'-n ' + namespace if namespace else ''}")


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    # not pytest's own folder: QEMU's monitor socket must fit into 108 bytes
    folder = Path(tempfile.mkdtemp(prefix="cachemon-docs-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = stack.enter_context(Cluster(folder, find()))
        cluster.start_operator()
        for name in ("node01", "node02"):
            cluster.add_node(name, agent_flags=AGENT_FLAGS).start_agent()
        for name, (namespace, node) in PLACES.items():
            cluster.add_namespace(namespace)
            stack.enter_context(Vmi(cluster, namespace, name, MACHINES[name])).start(node)
        for example in ("vm3", "whole-vms", "vm3-overlap"):
            cluster.control_plane.apply(EXAMPLES / f"{example}.yaml")
        for name, (namespace, _) in {**PLACES, "vm3-overlap": PLACES["vm3"]}.items():
            until(f"figures of {name}", partial(_has_figures, cluster, namespace, name), seconds=60)
        (folder / "desk").mkdir()
        yield Desk(folder / "desk", cluster.control_plane.admin_kubeconfig)


def _has_figures(cluster: Cluster, namespace: str, name: str) -> bool:
    return "memoryBandwidth" in cluster.group(namespace, name).get("status", {}).get("summary", {})
