"""What a host's admin types, and what the tests compare it with."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.debian_host.machine import LUGGAGE, DebianHost
from lab.libvirt.guest_domain import GuestDomain
from lab.wait import until

MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)
ALL_VCPUS = (
    '<cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">'
    '<cachemon:resmongroup id="all" vcpus="all"/></cachemon:groups>'
)
BUSY = (10, 5)
"""Percent of the time; the host has one CPU."""

DOMAINS = (
    GuestDomain("vm1", kvm=True, most_vcpus=2, busy_percent=BUSY),
    GuestDomain("configured", kvm=True, most_vcpus=2, busy_percent=BUSY, metadata=ALL_VCPUS),
    GuestDomain("libvirts", kvm=True, most_vcpus=2, busy_percent=BUSY, cputune=MONITORS),
)
MICROSECONDS, NANOSECONDS = 1e6, 1e9
MON_GROUPS = "/sys/fs/resctrl/mon_groups"

_IMAGES = "/var/lib/libvirt/images"
_EMULATED_SECONDS = 240
"""For what takes an idle machine's emulated host up to half a minute."""

Figures = Mapping[str, str]
"""Keys and values as domstats prints them."""


@dataclass(frozen=True, slots=True)
class Life:
    """A host with what its admin does.

    Attributes:
        host: booted.
    """

    host: DebianHost

    @property
    def name(self) -> str:
        """By which other hosts know it."""
        return self.host.name

    @staticmethod
    def luggage(folder: Path, package: Path) -> Sequence[Path]:
        """What the guest gets: the package and the domains' firmware and XML.

        Args:
            folder: for the files.
            package: the deb.
        """
        files = [package]
        for domain in DOMAINS:
            files.append(domain.write_firmware(folder))
            xml = folder / f"{domain.name}.xml"
            xml.write_text(domain.xml(Path(_IMAGES, f"{domain.name}.bin")), encoding="utf-8")
            files.append(xml)
        return files

    def sh(self, script: str) -> str:
        """What a shell script prints that must go well."""
        return self.host.run(script, seconds=_EMULATED_SECONDS)

    def install(self) -> None:
        """Install our package, and start its service."""
        self.sh(f"dpkg -i {LUGGAGE}/cachemon-host_*.deb")
        self.sh("systemctl enable --now cachemon-host")

    def define(self, name: str) -> None:
        """Define one of DOMAINS."""
        self.put_firmware(name)
        self.sh(f"virsh define {LUGGAGE}/{name}.xml")

    def put_firmware(self, name: str) -> None:
        """Copy the firmware of one of DOMAINS to where its XML names it."""
        self.sh(f"cp {LUGGAGE}/{name}.bin {_IMAGES}/")

    def groups(self, prefix: str = "cachemon-") -> dict[str, frozenset[int]]:
        """TIDs by name of the kernel's mon_groups."""
        found = self.sh(f"cd {MON_GROUPS} && for g in {prefix}*; do [ ! -d $g ] || echo $g $(cat $g/tasks); done")
        return {name: frozenset(map(int, tids)) for name, *tids in map(str.split, found.splitlines())}

    def vcpu_tids(self, name: str) -> frozenset[int]:
        """The vCPU threads of a running domain, by QEMU's names of them."""
        found = self.sh(
            f"cd /proc/$(cat /run/libvirt/qemu/{name}.pid)/task && grep -l '^CPU [0-9]*/KVM' */comm | cut -d/ -f1"
        )
        return frozenset(map(int, found.split()))

    def left_behind(self) -> Sequence[str]:
        """Paths on the disk and in /run that have our name, without what the guest was given."""
        return self.sh(f"find / /run -xdev -path {LUGGAGE} -prune -o -name '*cachemon*' -print").splitlines()

    def start_agent_before_libvirt(self) -> None:
        """Order the units, from the next boot on."""
        folder = "/etc/systemd/system/cachemon-host.service.d"
        lines = "[Unit]\\nBefore=libvirtd.service virtqemud.service\\n"
        self.sh(f"mkdir -p {folder} && printf '{lines}' > {folder}/boot.conf")

    def is_active(self) -> bool:
        """Whether the service runs, and has said that it is ready."""
        return self.sh("systemctl show -P ActiveState cachemon-host") == "active\n"

    def agent_pid(self) -> int:
        """PID of the service; 0 while there is none."""
        return int(self.sh("systemctl show -P MainPID cachemon-host"))

    def writable(self, folders: Sequence[str], pid: int = 1) -> set[str]:
        """Those of the folders whose file system a process may write to, by its mounts."""
        script = f"nsenter -t {pid} -m sh -c 'for d; do [ ! -w $d ] || echo $d; done' sh {' '.join(folders)}"
        return set(self.sh(script).split())

    def ask(self, path: str) -> Any:
        """What the agent answers on its socket."""
        return json.loads(self.sh(f"curl -sS --unix-socket /run/cachemon/host.sock http://host{path}"))

    def until_monitored(self, name: str, group: str) -> None:
        """Wait until the agent has figures of a group of a domain."""

        def monitored() -> bool:
            return any(
                reported["state"] == "Monitored" and reported["blocks"]
                for domain in self.ask("/v1/domains")["domains"]
                if domain["name"] == name
                for reported in domain["groups"]
                if reported["name"] == group
            )

        until(f"group {group} of {name} to be monitored", monitored, seconds=_EMULATED_SECONDS, poll_seconds=1)

    @contextmanager
    def still(self) -> Iterator[None]:
        """All counters stand still meanwhile, and the agent has read them since."""
        self._set_still("Y")
        try:
            enough = self.ask("/v1/status")["samples"] + 2  # the first of them may have begun before
            until(
                "the agent to read what stands still",
                lambda: self.ask("/v1/status")["samples"] >= enough,
                seconds=_EMULATED_SECONDS,
                poll_seconds=1,
            )
            yield
        finally:
            self._set_still("N")

    def cachemon_figures(self, name: str, *options: str) -> Figures:
        """What `cachemon host domstats` prints of a domain."""
        return _pairs(self.sh(f"cachemon host domstats {name} {' '.join(options)}"))

    def libvirt_figures(self, name: str) -> Figures:
        """What `cachemon host domstats` prints of a domain by libvirt's keys."""
        return self.cachemon_figures(name, "--format=libvirt")

    def virsh_figures(self, name: str) -> Figures:
        """What `virsh domstats` prints of a domain's monitors."""
        pairs = _pairs(self.sh(f"virsh domstats --cpu-total --memory {name}"))
        return {key: value for key, value in pairs.items() if key.startswith(("cpu.cache.", "memory.bandwidth."))}

    def unmonitored_seconds(self, name: str, mon_group: str) -> float:
        """CPU time of the vCPUs of a domain outside a mon_group; at most that, as they run on meanwhile."""
        threads = " ".join(f"/proc/{tid}/schedstat" for tid in self.vcpu_tids(name))
        found = self.sh(
            f"cat {MON_GROUPS}/{mon_group}/mon_data/*/mbm_total_bytes {threads} /sys/module/rdtmove/parameters/rate"
        )
        counters, *times, rate = found.splitlines()
        inside = int(counters) / int(rate) / MICROSECONDS
        return sum(int(time.split()[0]) for time in times) / NANOSECONDS - inside

    def kernel_figures(self, mon_group: str) -> Mapping[str, int]:
        """Value of every counter of a mon_group, by `BLOCK/EVENT`."""
        found = self.sh(f"cd {MON_GROUPS}/{mon_group}/mon_data && grep -H . */*")
        pairs = (line.removeprefix("mon_L3_").split(":") for line in found.splitlines())
        return {name: int(value) for name, value in pairs}

    def _set_still(self, value: str) -> None:
        self.sh(f"echo {value} > /sys/module/rdtmove/parameters/still")


def _pairs(output: str) -> dict[str, str]:
    lines = (line.strip().partition("=") for line in output.splitlines())
    return {key: value for key, equals, value in lines if equals}
