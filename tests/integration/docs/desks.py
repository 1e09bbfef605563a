"""A reader's desk: a folder in which the pages' commands are typed, and what they are typed about."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from lab.libvirt.plain_host import PlainHost
from lab.repository import REPOSITORY, SOURCES
from lab.wait import run

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

_SERVICE = re.compile(r"(?:systemctl daemon-reload && )?systemctl (enable --now|disable --now|restart) cachemon-host")


class Desk:
    """In front of a cluster.

    Args:
        folder: an empty folder.
        kubeconfig: of the cluster; None for a desk without one.
        copy: whether to put the files of a clone into the folder.
    """

    def __init__(self, folder: Path, kubeconfig: Path | None, *, copy: bool = True) -> None:
        self.folder = folder
        for name in FOLDERS if copy else ():
            shutil.copytree(REPOSITORY / name, folder / name)
        (folder / "host.xml").write_text(HOST)
        self._has_cluster = kubeconfig is not None
        self.environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "PYTHONPATH": SOURCES,
            "HOME": str(folder),
            "VIRSH_DEFAULT_CONNECT_URI": f"test://{folder}/host.xml",
            "LC_ALL": "C",
            **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
        }

    def save(self, name: str, text: str) -> None:
        """As a reader saves a file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> tuple[list[str], int]:
        """What a command prints, on both streams, and its exit code."""
        typed = ["bash", "-o", "pipefail", "-c", command]
        done = run(typed, seconds=COMMAND_SECONDS, cwd=self.folder, env=self.environment, stderr=subprocess.STDOUT)
        return done.stdout.splitlines(), done.returncode

    def type_as_admin(self, command: str) -> tuple[list[str], int]:
        """The same with every right, for what the test itself asks."""
        return self.type(command)

    def objects(self) -> set[tuple[str, str, str]]:
        """Kind, namespace and name of everything of cachemon's that people make in the cluster."""
        if not self._has_cluster:
            return set()
        lines, code = self.type_as_admin("kubectl get cmg,cmp -A -o json")
        assert code == 0, lines
        items = json.loads("\n".join(lines))["items"]
        return {
            (item["kind"].lower(), item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items
        }

    def remove(self, objects: Iterable[tuple[str, str, str]]) -> None:
        """Objects that a page has left: the next page is not to see them. Policies go before what they stamp."""
        for kind, namespace, name in sorted(objects, reverse=True):
            self.type_as_admin(
                f"kubectl delete {kind} {name} --ignore-not-found {'-n ' + namespace if namespace else ''}"
            )


class TenantDesk(Desk):
    """In front of a cluster, with the rights of a person who may edit one namespace.

    Args:
        folder: an empty folder.
        kubeconfig: of the cluster's admin.
        tenant: the person's name.
    """

    def __init__(self, folder: Path, kubeconfig: Path, tenant: str) -> None:
        super().__init__(folder, kubeconfig)
        config = yaml.safe_load(kubeconfig.read_text())
        for user in config["users"]:
            user["user"]["as"] = tenant
        own = folder / "kubeconfig.yaml"
        own.write_text(yaml.safe_dump(config))
        self._admin = Desk(folder, kubeconfig, copy=False)
        self.environment["KUBECONFIG"] = str(own)

    def type_as_admin(self, command: str) -> tuple[list[str], int]:
        """As above."""
        return self._admin.type(command)


class HostDesk(Desk):
    """On a plain libvirt host, as its root; what systemd would do there, the lab does.

    Args:
        folder: an empty folder.
        host: where commands run.
        kubeconfig: of a cluster, if there is one beside it.
    """

    def __init__(self, folder: Path, host: PlainHost, kubeconfig: Path | None) -> None:
        super().__init__(folder, kubeconfig)
        self._host = host
        kept: Mapping[str, str] = {name: self.environment[name] for name in self.environment if name == "KUBECONFIG"}
        host.environment.update(kept)

    def install(self) -> None:
        """What the guide has a person do first."""
        for command in (
            "cachemon host agent --print-unit > /etc/systemd/system/cachemon-host.service",
            "systemctl enable --now cachemon-host",
        ):
            printed, code = self.type(command)
            assert code == 0, printed

    def type(self, command: str) -> tuple[list[str], int]:
        """As above."""
        if service := _SERVICE.fullmatch(command):
            if service[1] != "enable --now":
                self._host.stop_agent()
            if service[1] != "disable --now":
                self._host.start_service()
            return [], 0
        done = self._host.run(command, self.folder)
        return done.stdout.splitlines(), done.returncode
