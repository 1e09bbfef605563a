"""The wheels and source archives of a release, installed and used as users do."""

import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tests.integration.release.fresh_venv import UV, FreshVenv, has_libvirt_headers

WINDOW = (
    '{"time": 10, "block": 0, "capacityBytes": 1048576, "bandwidthLimitBytesPerSecond": null, "vms": [{"vm": "a/b",'
    ' "occupancyBytes": 4096, "trafficBytes": 64, "cpuSeconds": 1.0, "runDelaySeconds": 0.0, "cycles": null,'
    ' "uops": null}]}\n'
)
DOMAIN = (
    "<domain><name>vm1</name><vcpu>2</vcpu><cputune><cachetune vcpus='0-1'><monitor level='3' vcpus='0-1'/>"
    "</cachetune></cputune></domain>"
)


def wheel(folder: Path, name: str = "cachemon") -> Path:
    (found,) = folder.glob(f"{name}-*.whl")
    return found


def test_without_an_extra_every_program_has_a_version_and_names_the_extra_that_it_lacks(
    python_packages: Path, tmp_path: Path
) -> None:
    bare = FreshVenv(tmp_path / "venv", wheel(python_packages))
    assert bare.run("kubectl-cachemon", "--version").strip() == f"kubectl-cachemon {__version__}"
    assert bare.run("cachemon", "--version").strip() == f"cachemon {__version__}"
    refused = bare.run("kubectl-cachemon", "import", "-", "-o", "yaml", given=DOMAIN, code=1)
    assert "cachemon[plugin]" in refused


def test_the_plugin_imports_a_domain_and_completes(python_packages: Path, tmp_path: Path) -> None:
    plugin = FreshVenv(tmp_path / "venv", wheel(python_packages), "plugin")
    imported = plugin.run("kubectl-cachemon", "import", "-", "-n", "tenant-a", "-o", "yaml", given=DOMAIN)
    assert "vcpus: 0-1" in imported
    assert "compdef _python_argcomplete kubectl-cachemon" in plugin.run("kubectl-cachemon", "completion", "bash")


def test_an_agent_replays_windows(python_packages: Path, tmp_path: Path) -> None:
    agent = FreshVenv(tmp_path / "venv", wheel(python_packages), "agent")
    assert agent.run("cachemon-agent", "--version").strip() == f"cachemon-agent {__version__}"
    windows = tmp_path / "windows.jsonl"
    windows.write_text(WINDOW)
    assert agent.run("cachemon-agent", "replay", str(windows)) == ""


def test_an_operator_starts_as_far_as_its_kubeconfig(python_packages: Path, tmp_path: Path) -> None:
    operator = FreshVenv(tmp_path / "venv", wheel(python_packages), "operator,kubeconfig")
    refused = operator.run("cachemon-operator", f"--kubeconfig={tmp_path}/none", code=2)
    assert "--kubeconfig must be a file that exists" in refused


def test_a_libvirt_host_prints_its_unit(python_packages: Path, tmp_path: Path) -> None:
    if not has_libvirt_headers():
        pytest.skip("libvirt's headers, pkg-config or gcc are not here; make setup-host installs them")
    host = FreshVenv(tmp_path / "venv", wheel(python_packages), "libvirt")
    assert f"ExecStart={tmp_path}/venv/bin/cachemon host agent" in host.run(
        "cachemon", "host", "agent", "--print-unit"
    )


def test_the_emulator_stands_alone(python_packages: Path, tmp_path: Path) -> None:
    emulator = FreshVenv(tmp_path / "venv", wheel(python_packages, "resctrl_emulator"))
    assert __version__ in emulator.run("resctrl-emulator", "--version")


@pytest.mark.parametrize("name", ["cachemon", "resctrl_emulator"])
def test_a_source_archive_builds_the_same_wheel(python_packages: Path, tmp_path: Path, name: str) -> None:
    (archive,) = python_packages.glob(f"{name}-*.tar.gz")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "built"],
        cwd=tmp_path / f"{name}-{__version__}",
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with (
        zipfile.ZipFile(wheel(python_packages, name)) as ours,
        zipfile.ZipFile(wheel(tmp_path / "built", name)) as theirs,
    ):
        assert {it.filename: it.CRC for it in ours.infolist()} == {it.filename: it.CRC for it in theirs.infolist()}


def test_the_classifiers_name_each_python_that_the_workflow_tries(python_packages: Path) -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/test.yaml").read_text())
    tried = workflow["jobs"]["python"]["strategy"]["matrix"]["version"]
    for name in ("cachemon", "resctrl_emulator"):
        with zipfile.ZipFile(wheel(python_packages, name)) as packed:
            about = Parser().parsestr(packed.read(f"{name}-{__version__}.dist-info/METADATA").decode())
        prefix = "Programming Language :: Python :: "
        assert [it.removeprefix(prefix) for it in about.get_all("Classifier", []) if it.startswith(prefix)] == tried
        assert about["Requires-Python"] == f">={tried[0]}"


@pytest.mark.parametrize("command", [("tool", "install"), ("tool", "run", "pipx", "install")])
def test_the_plugin_is_a_tool_of_uv_or_pipx(python_packages: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    environment = {
        "HOME": home,
        "XDG_DATA_HOME": home / "data",
        "XDG_BIN_HOME": home / "bin",
        "PIPX_HOME": home / "pipx",
    }
    subprocess.run(
        [UV, *command, "--python", sys.executable, f"{wheel(python_packages)}[plugin]"],
        env={
            **os.environ,
            **{name: str(value) for name, value in environment.items()},
            "PIPX_BIN_DIR": str(home / "bin"),
        },
        check=True,
    )
    shown = subprocess.run([home / "bin/kubectl-cachemon", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"kubectl-cachemon {__version__}\n"


@pytest.mark.parametrize("name", ["cachemon", "resctrl_emulator"])
def test_a_package_page_has_a_licence_links_and_no_relative_link(python_packages: Path, name: str) -> None:
    with zipfile.ZipFile(wheel(python_packages, name)) as packed:
        about = Parser().parsestr(packed.read(f"{name}-{__version__}.dist-info/METADATA").decode())
        assert f"{name}-{__version__}.dist-info/licenses/LICENSE" in packed.namelist()
    assert about["License-Expression"] == "Apache-2.0"
    addresses = dict(it.split(", ") for it in about.get_all("Project-URL", []))
    assert {"Homepage", "Documentation", "Changelog"} <= set(addresses)
    assert all(it.startswith("https://") for it in addresses.values())
    body = about.get_payload()
    assert isinstance(body, str)
    targets = {*re.findall(r"\]\(([^)]*)\)", body), *re.findall(r"(?:src|href|srcset)=[\"']?([^\"'\s>]+)", body)}
    assert {it for it in targets if not it.startswith(("https://", "#"))} == set()
