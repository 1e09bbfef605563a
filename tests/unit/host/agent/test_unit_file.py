"""The unit for systemd: what it starts, and what it may do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon.host.agent.config import ENVIRONMENT_PREFIX
from cachemon.host.agent.main import unit
from cachemon.host.commands.main import main
from lab.repository import REPOSITORY

SERVICE = REPOSITORY / "operator/cachemon/host/agent/cachemon-host.service"


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_the_program_that_printed_it(tmp_path: Path) -> None:
    script = tmp_path / "cachemon"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert settings(unit(str(script), "/usr/bin/python3"))["ExecStart"] == [f"{script} host agent"]
    by_module = unit("/x/cachemon/host/main.py", "/opt/venv/bin/python")
    assert settings(by_module)["ExecStart"] == ["/opt/venv/bin/python -m cachemon.host.commands.main host agent"]


def test_the_program_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "agent", "--print-unit"]) == 0
    assert "ExecStart=" in capsys.readouterr().out


def test_the_program_prints_the_alerts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "agent", "--print-alerts"]) == 0
    assert capsys.readouterr().out == SERVICE.with_name("host-alerts.yaml").read_text()


def test_it_has_one_capability_no_network_and_one_place_to_write() -> None:
    found = settings(SERVICE.read_text())
    assert found["CapabilityBoundingSet"] == ["CAP_DAC_OVERRIDE"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert found["IPAddressDeny"] == ["any"]
    assert (found["ProtectSystem"], found["ReadWritePaths"]) == (["strict"], ["-/sys/fs/resctrl"])
    assert (found["Type"], found["NoNewPrivileges"]) == (["notify"], ["yes"])
    assert (found["MemoryMax"], found["TasksMax"]) == (["256M"], ["640"])
    assert "User" not in found, "resctrl belongs to uid 0"
    assert not found.keys() & {"ProtectProc", "ProcSubset", "PrivateUsers", "PrivatePIDs"}, "QEMUs must be seen"


def test_its_remarks_name_real_settings() -> None:
    parser_help = subprocess.run(
        [sys.executable, "-m", "cachemon.host.commands.main", "host", "agent", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PYTHONPATH": str(SERVICE.parents[3])},
    ).stdout
    named = [word for word in SERVICE.read_text().split() if word.startswith(f"Environment={ENVIRONMENT_PREFIX}")]
    assert len(named) == 2
    for word in named:
        variable = word.removeprefix("Environment=").partition("=")[0]
        flag = "--" + variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "-")
        assert flag in parser_help


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_understands_it_and_finds_little_exposed(tmp_path: Path) -> None:
    file = tmp_path / SERVICE.name
    file.write_text(unit(sys.executable, sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert [line for line in verified.stderr.splitlines() if SERVICE.name in line] == []
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-200:]
