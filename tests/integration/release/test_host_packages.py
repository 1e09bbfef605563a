"""The deb on Debian 12 and 13, installed, used and removed by dpkg; the rpm by rpm's own tools."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cachemon import __version__
from tests.integration.release.debian_root import DebianMissingError, DebianRoot
from tools.release.host_packages import packaged_unit

WINDOW = (
    '{"time": 10, "block": 0, "capacityBytes": 1048576, "bandwidthLimitBytesPerSecond": null, "vms": [{"vm": "a/b",'
    ' "occupancyBytes": 4096, "trafficBytes": 64, "cpuSeconds": 1.0, "runDelaySeconds": 0.0, "cycles": null,'
    ' "uops": null}]}\n'
)
SERVE_AND_ASK = """
set -e
systemd-sysusers
. /etc/default/cachemon-host
export CACHEMON_HOST_SOCKET_GROUP
mkdir /run/cachemon
cachemon host agent >/tmp/agent.log 2>&1 &
agent=$!
for _ in $(seq 600); do [ -S /run/cachemon/host.sock ] && break; sleep 0.1; done
stat -c '%A %G' /run/cachemon/host.sock
cachemon host domstats 2>&1 || true
kill -TERM $agent
wait $agent
cat /tmp/agent.log
"""


@pytest.fixture(params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest, tmp_path: Path) -> DebianRoot:
    if os.geteuid() != 0:
        pytest.skip("chroot is for root")
    try:
        return DebianRoot(tmp_path, request.param)
    except DebianMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.timeout(900)
def test_a_debian_host_installs_it_uses_it_and_is_as_before_when_it_is_purged(
    debian: DebianRoot, release: Path
) -> None:
    (package,) = release.glob("*.deb")
    before = debian.files()
    shutil.copy(package, debian.folder / "root/package.deb")
    debian.run("dpkg", "-i", "/root/package.deb")

    assert debian.run("cachemon", "--version").strip() == f"cachemon {__version__}"
    assert debian.run("getent", "group", "cachemon").startswith("cachemon:")
    (debian.folder / "root/windows").write_text(WINDOW)
    assert debian.run("cachemon", "host", "replay", "/root/windows") == ""
    page = gzip.decompress((debian.folder / "usr/share/man/man1/cachemon.1.gz").read_bytes()).decode()
    assert ".TH CACHEMON" in page
    assert "cpu\\-resource" in page
    assert "complete" in debian.run(
        "bash", "-c", ". /usr/share/bash-completion/completions/cachemon; complete -p cachemon"
    )
    assert debian.run("systemd-analyze", "verify", "--man=no", "cachemon-host.service") == ""
    said = debian.run("sh", "-c", SERVE_AND_ASK)
    assert said.startswith("srw-rw---- cachemon\n"), said
    assert "libvirt" in said

    (debian.folder / "etc/default/cachemon-host").write_text("CACHEMON_HOST_LOG_LEVEL=DEBUG\n")
    debian.run("dpkg", "-i", "/root/package.deb")
    assert (debian.folder / "etc/default/cachemon-host").read_text() == "CACHEMON_HOST_LOG_LEVEL=DEBUG\n"
    debian.run("dpkg", "--remove", "cachemon-host")
    left = debian.files() - before
    assert left - {"root/package.deb", "root/windows"} == {"etc/default/cachemon-host"}
    debian.run("dpkg", "--purge", "cachemon-host")
    assert debian.files() - before == {"root/package.deb", "root/windows"}


def test_an_rpm_is_whole_and_names_what_it_needs(release: Path) -> None:
    if shutil.which("rpm") is None:
        pytest.skip("rpm is not installed; make setup-cluster installs it for root")
    (package,) = release.glob("*.rpm")

    def query(*options: str) -> str:
        return subprocess.run(["rpm", *options, package], capture_output=True, text=True, check=True).stdout

    assert "digests OK" in query("--checksig", "--nosignature")
    assert query("-qp", "--queryformat", "%{NAME} %{VERSION} %{ARCH} %{LICENSE}") == (
        f"cachemon-host {__version__} noarch Apache-2.0"
    )
    needs = set(query("-qp", "--requires").splitlines())
    assert {"python3 >= 3.11", "python3-libvirt", "python3-lxml", "python3-pyyaml", "systemd"} <= needs
    assert query("-qp", "--configfiles").split() == ["/etc/default/cachemon-host"]
    listed = set(query("-qp", "--list").splitlines())
    assert {
        "/usr/bin/cachemon",
        "/usr/lib/systemd/system/cachemon-host.service",
        "/usr/share/man/man1/cachemon.1.gz",
        "/usr/share/bash-completion/completions/cachemon",
    } <= listed
    scripts = query("-qp", "--scripts")
    assert "systemd-sysusers cachemon-host.conf" in scripts
    assert "preuninstall scriptlet" in scripts


def test_deb_and_rpm_hold_the_same_files(release: Path) -> None:
    if shutil.which("rpm") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("rpm or dpkg-deb is not installed")
    (deb,), (rpm,) = release.glob("*.deb"), release.glob("*.rpm")
    listed = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout.splitlines()
    in_deb = {line.split()[5].removeprefix(".") for line in listed if line[0] == "-"}
    in_rpm = subprocess.run(["rpm", "-qpl", rpm], capture_output=True, text=True, check=True).stdout.splitlines()
    assert in_deb <= set(in_rpm)
    assert {line for line in in_rpm if line not in in_deb} <= {
        folder for line in in_deb for folder in map(str, Path(line).parents)
    }


def test_the_packaged_unit_differs_from_the_printed_one_in_paths_and_settings_only() -> None:
    lines = packaged_unit().splitlines()
    assert "ExecStart=/usr/bin/cachemon host agent" in lines
    assert "Documentation=man:cachemon(1) https://cachemon.dev/docs" in lines
    assert "EnvironmentFile=-/etc/default/cachemon-host" in lines
    assert [line for line in lines if "/usr/local" in line] == []
