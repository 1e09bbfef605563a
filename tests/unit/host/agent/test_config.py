import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from cachemon.daemon.interference_settings import InterferenceSettings
from cachemon.daemon.settings import Address
from cachemon.host.agent.config import HostAgentConfig, MetricsSettings, add_flags, config_of
from cachemon.host.commands.host_arguments import build_parser
from cachemon.model.errors import InvalidInputError


def config(tmp_path: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> HostAgentConfig:
    environment = {"CACHEMON_HOST_RUNTIME_DIR": str(tmp_path), **(environment or {})}
    parser = argparse.ArgumentParser()
    parser.add_argument("--connect", default=argparse.SUPPRESS)
    parser.add_argument("--socket", default=argparse.SUPPRESS)
    add_flags(parser, environment)
    return config_of(parser.parse_args(arguments), environment)


def test_without_flags_it_is_the_hosts_own_libvirt_and_no_network(tmp_path: Path) -> None:
    found = config(tmp_path)
    assert (found.connect, found.socket, found.state_dir) == (
        "qemu:///system",
        Path("/run/cachemon/host.sock"),
        Path("/run/libvirt/qemu"),
    )
    assert (found.metrics, found.machine.rmid_budget, found.socket_group, found.remove) == (None, None, "", False)


def test_domains_are_judged_only_where_that_is_switched_on(tmp_path: Path) -> None:
    assert config(tmp_path).interference is None
    assert config(tmp_path, "--interference=true").interference == InterferenceSettings()


def test_a_flag_wins_over_its_variable(tmp_path: Path) -> None:
    environment = {
        "CACHEMON_HOST_CONNECT": "qemu:///session",
        "CACHEMON_HOST_SOCKET": "/run/a.sock",
        "CACHEMON_HOST_METRICS_ADDRESS": "[::1]:9",
        "CACHEMON_HOST_RMID_BUDGET": "5",
    }
    found = config(tmp_path, "--socket=/run/b.sock", "--rmid-budget=7", environment=environment)
    assert (found.connect, found.socket, found.machine.rmid_budget) == ("qemu:///session", Path("/run/b.sock"), 7)
    assert found.metrics == MetricsSettings(Address("::1", 9), None, None)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--resctrl=relative", "--resctrl must be an absolute path"),
        ("--proc=/no/such", "--proc: /no/such is no directory"),
        ("--runtime-dir=/no/such", "--runtime-dir: /no/such is no directory"),
        ("--socket=host.sock", "--socket must be an absolute path"),
        (f"--socket=/{'a' * 120}", "the path of a unix socket has at most"),
        ("--metrics-address=9821", "--metrics-address must be HOST:PORT"),
        ("--metrics-address=0.0.0.0:9821", "needs --metrics-tls-directory and --metrics-token-file"),
        ("--metrics-address=[::]:9821", "needs --metrics-tls-directory and --metrics-token-file"),
        ("--metrics-address=host.example.com:9821", "needs --metrics-tls-directory and --metrics-token-file"),
        ("--metrics-tls-directory=/no/such/folder", "is no directory"),
        ("--insecure-metrics=yes", "must be one of true, false"),
        ("--sample-period=0", "--sample-period must be a number from 0.1"),
        ("--scan-period=nan", "--scan-period must be"),
        ("--interference=on", "--interference must be one of true, false"),
        ("--bandwidth-limit=40GB", "--bandwidth-limit must be a whole number"),
        ("--interference-perf=true", "--interference-perf needs --interference=true"),
        ("--record=/run/cachemon", "--record needs --interference=true"),
        ("--rmid-budget=-1", "--rmid-budget must be a whole number"),
        ("--log-format=xml", "--log-format must be one of"),
    ],
)
def test_what_is_not_valid_is_refused_with_the_flags_name(tmp_path: Path, word: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        config(tmp_path, word)


def test_the_flags_are_those_of_the_program() -> None:
    args = build_parser().parse_args(["host", "-c", "qemu:///session", "agent", "--remove"])
    found = config_of(args, {})
    assert (found.connect, found.remove) == ("qemu:///session", True)


def test_every_setting_is_checked_once_and_never_changes() -> None:
    assert dataclasses.is_dataclass(HostAgentConfig)
    assert HostAgentConfig.__dataclass_params__.frozen  # type: ignore[attr-defined]
