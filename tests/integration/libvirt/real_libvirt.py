"""libvirt itself, as far as it reads domain XML: `virsh -c test:///default`, whose driver is in virsh's own process.

It parses with the same virDomainDefParse as every driver, needs no daemon, no socket and no rights, and takes 30 ms.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from lab.speed import allowance

_SECONDS = 60


def virsh(script: str) -> subprocess.CompletedProcess[str]:
    """Run commands of virsh, `;` between them; skips the test where there is no virsh."""
    program = shutil.which("virsh")
    if program is None:
        pytest.skip("virsh is not installed (Debian's libvirt-clients)")
    return subprocess.run(
        [program, "--quiet", "--connect", "test:///default", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=allowance(_SECONDS),
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )


def domain(cputune: str, vcpus: int = 4, name: str = "vm3") -> str:
    """The XML of a domain that libvirt's test driver takes."""
    return (
        f"<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>{vcpus}</vcpu>"
        f"{cputune}<os><type>hvm</type></os></domain>"
    )


def refusal(xml: str, folder: Path, *flags: str) -> str | None:
    """Why libvirt refuses a domain, in its words; None when it takes it."""
    path = folder / "domain.xml"
    path.write_text(xml, encoding="utf-8")
    done = virsh(" ".join(["define", str(path), *flags]))
    if done.returncode == 0:
        return None
    reasons = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
    return next(reason for reason in reasons if not reason.startswith("Failed to define"))


def dumped(xml: str, folder: Path) -> bytes:
    """The domain as libvirt writes it after it has read it; it must take it, and by its schema too."""
    path = folder / "domain.xml"
    path.write_text(xml, encoding="utf-8")
    name = etree.fromstring(xml.encode()).findtext("name")
    done = virsh(f"define {path} --validate; dumpxml {name}")
    assert done.returncode == 0, done.stderr
    return done.stdout[done.stdout.index("<domain") :].strip().encode()
