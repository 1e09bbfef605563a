"""The deb on Debian 12 and 13, installed, used and removed by dpkg; the rpm by rpm's own tools."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cachemon import __version__
from lab.debian_archive import DebianMissingError
from lab.pytest_skips import found_or_skip
from tests.integration.release.debian_root import DebianRoot
from tools.release.host_packages import make_host_packages, packaged_unit

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


PUT_THERE = {"root/package.deb", "root/windows"}
EDITED = "CACHEMON_HOST_LOG_LEVEL=DEBUG\n"
NEXT = "99.0.0-1"
OTHER = "# A setting of the next version."
INSTALLED = "install ok installed"


def a_debian(folder: Path, suite: str) -> DebianRoot:
    if os.geteuid() != 0:
        pytest.skip("chroot is for root")
    folder.mkdir()
    return found_or_skip(lambda: DebianRoot(folder, suite), DebianMissingError)


def needs_program(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed; make setup-cluster installs it for root")


@pytest.fixture(params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest, tmp_path: Path) -> DebianRoot:
    return a_debian(tmp_path / "root", request.param)


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
    assert "complete" in debian.run(
        "bash", "-c", ". /usr/share/bash-completion/completions/cachemon; complete -p cachemon"
    )
    assert debian.run("systemd-analyze", "verify", "--man=no", "cachemon-host.service") == ""
    said = debian.run("sh", "-c", SERVE_AND_ASK)
    assert said.startswith("srw-rw---- cachemon\n"), said
    assert "libvirt" in said

    debian.run("dpkg", "--remove", "cachemon-host")
    assert debian.files() - before == {*PUT_THERE, "etc/default/cachemon-host"}
    debian.run("dpkg", "--purge", "cachemon-host")
    assert debian.files() - before == PUT_THERE


@pytest.mark.timeout(900)
def test_a_debian_host_keeps_its_settings_and_its_compiled_code_when_it_is_upgraded(
    debian: DebianRoot, release: Path, tmp_path: Path
) -> None:
    (package,) = release.glob("*.deb")
    shutil.copy(package, debian.folder / "root/package.deb")
    shutil.copy(with_other_settings(package, tmp_path / "next"), debian.folder / "root/next.deb")
    debian.run("dpkg", "-i", "/root/package.deb")
    settings = debian.folder / "etc/default/cachemon-host"
    settings.write_text(EDITED)
    debian.run("dpkg", "--force-confdef", "--force-confold", "-i", "/root/next.deb")

    assert debian.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "cachemon-host") == f"{NEXT} {INSTALLED}"
    assert settings.read_text() == EDITED
    assert OTHER in settings.with_suffix(".dpkg-dist").read_text()
    assert list((debian.folder / "usr/lib/cachemon/cachemon/host").glob("__pycache__/*.pyc"))
    assert debian.run("cachemon", "--version").strip() == f"cachemon {__version__}"
    debian.run("dpkg", "--remove", "cachemon-host")
    assert settings.read_text() == EDITED
    debian.run("dpkg", "--purge", "cachemon-host")
    assert not settings.exists()
    assert not (debian.folder / "usr/lib/cachemon").exists()


def with_other_settings(package: Path, folder: Path) -> Path:
    """A deb of the next version, whose file of settings differs."""
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    for name, old, new in (
        ("DEBIAN/control", f"Version: {__version__}-1", f"Version: {NEXT}"),
        ("etc/default/cachemon-host", "# Settings", f"{OTHER}\n# Settings"),
    ):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, folder.with_suffix(".deb")], check=True)
    return folder.with_suffix(".deb")


@pytest.mark.timeout(900)
def test_rpm_installs_upgrades_and_removes_it_with_its_scripts(release: Path, tmp_path: Path) -> None:
    needs_program("rpm")
    root = a_debian(tmp_path / "root", "trixie")
    (package,) = release.glob("*.rpm")
    make_host_packages(tmp_path, "99.0.0")
    (following,) = tmp_path.glob("*.rpm")

    def rpm(*words: str | Path) -> str:
        command = ["rpm", "--root", root.folder, "--force-debian", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    settings, compiled = root.folder / "etc/default/cachemon-host", root.folder / "usr/lib/cachemon/cachemon/host"
    assert "warning" not in rpm("--install", "--nodeps", package)
    assert root.run("cachemon", "--version").strip() == f"cachemon {__version__}"
    assert root.run("getent", "group", "cachemon").startswith("cachemon:")
    settings.write_text(EDITED)
    rpm("--upgrade", "--nodeps", following)
    assert rpm("--query", "cachemon-host") == "cachemon-host-99.0.0-1.noarch\n"
    assert settings.read_text() == EDITED
    assert list(compiled.glob("__pycache__/*.pyc"))
    assert root.run("cachemon", "--version").strip() == f"cachemon {__version__}"
    rpm("--erase", "cachemon-host")
    assert not (root.folder / "usr/lib/cachemon").exists()
    assert not (root.folder / "usr/bin/cachemon").exists()
    assert settings.with_suffix(".rpmsave").read_text() == EDITED


def test_the_checkers_of_distributions_find_no_error(release: Path) -> None:
    (deb,), (rpm,) = release.glob("*.deb"), release.glob("*.rpm")
    needs_program("lintian")
    done = subprocess.run(
        ["lintian", "--profile=debian", "--allow-root", "--fail-on=error", deb],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    needs_program("rpmlint")
    checked = subprocess.run(["rpmlint", rpm], capture_output=True, text=True, check=False).stdout
    errors = [line for line in checked.splitlines() if ": E: " in line]
    assert [line for line in errors if not line.endswith("no-signature")] == []


def test_the_manual_page_renders_without_a_warning(release: Path, tmp_path: Path) -> None:
    needs_program("mandoc")
    (package,) = release.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    page = tmp_path / "cachemon.1"
    page.write_bytes(gzip.decompress((tmp_path / "usr/share/man/man1/cachemon.1.gz").read_bytes()))
    found = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    shown = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, check=True).stdout
    assert "cpu-resource" in shown


def test_an_rpm_is_whole_and_names_what_it_needs(release: Path) -> None:
    needs_program("rpm")
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


def test_deb_and_rpm_hold_the_same_files_but_for_those_that_each_distribution_asks_for(release: Path) -> None:
    needs_program("rpm")
    needs_program("dpkg-deb")
    (deb,), (rpm,) = release.glob("*.deb"), release.glob("*.rpm")
    listed = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout.splitlines()
    documentation = "/usr/share/doc/cachemon-host"
    in_deb = {line.split()[5].removeprefix(".") for line in listed if line[0] == "-"}
    in_rpm = subprocess.run(["rpm", "-qpl", rpm], capture_output=True, text=True, check=True).stdout.splitlines()
    customary = {f"{documentation}/copyright", f"{documentation}/changelog.Debian.gz"}
    assert in_deb - set(in_rpm) == customary
    licence = Path("/usr/share/licenses/cachemon-host/LICENSE")
    in_rpm = [line for line in in_rpm if line not in {str(licence), str(licence.parent)}]
    assert {line for line in in_rpm if line not in in_deb} <= {
        folder for line in in_deb for folder in map(str, Path(line).parents)
    }


def test_the_packaged_unit_differs_from_the_printed_one_in_paths_and_settings_only() -> None:
    lines = packaged_unit().splitlines()
    assert "ExecStart=/usr/bin/cachemon host agent" in lines
    assert "Documentation=man:cachemon(1) https://cachemon.dev/docs" in lines
    assert "EnvironmentFile=-/etc/default/cachemon-host" in lines
    assert [line for line in lines if "/usr/local" in line] == []
