from collections.abc import Sequence
from pathlib import Path

import pytest

from cachemon.agent.config import parse_config
from cachemon.daemon.interference_settings import InterferenceSettings
from cachemon.daemon.serving import Serving
from cachemon.daemon.settings import Address, MachineSettings
from cachemon.model.errors import InvalidInputError

NODE = ["--node-name", "node01"]

BAD = [
    ("--resctrl", "sys/fs/resctrl"),
    ("--proc", "proc"),
    ("--proc", "/no/such/directory"),
    ("--sysfs", "/no/such/directory"),
    ("--sample-period", "0"),
    ("--sample-period", "nan"),
    ("--sample-period", "inf"),
    ("--sample-period", "fast"),
    ("--sample-period", "-1"),
    ("--scan-period", "0.01"),
    ("--scan-period", ""),
    ("--node-period", "0"),
    ("--node-period", "1.5"),
    ("--node-period", "4000"),
    ("--rate-window", "1e9"),
    ("--rmid-budget", "-1"),
    ("--rmid-budget", "1.5"),
    ("--rmid-budget", "some"),
    ("--metrics-address", "9820"),
    ("--metrics-address", "127.0.0.1:"),
    ("--metrics-address", "127.0.0.1:http"),
    ("--metrics-address", "127.0.0.1:65536"),
    ("--health-address", "9822"),
    ("--metrics-tls-directory", "/no/such/directory"),
    ("--insecure-metrics", "yes"),
    ("--interference", "yes"),
    ("--interference-window", "0.1"),
    ("--interference-perf", "1"),
    ("--interference-perf", "true"),
    ("--bandwidth-limit", "0"),
    ("--bandwidth-limit", "40GB"),
    ("--bandwidth-limit", "9" * 5000),
    ("--record", "windows"),
    ("--record", "/no/such/directory/windows"),
    ("--record", "/tmp/without-interference"),
    ("--log-level", "verbose"),
    ("--kubeconfig", "/no/such/file"),
    ("--rmid-budget", "9" * 5000),
    ("--metrics-address", ":" + "9" * 5000),
]


def variable(flag: str) -> str:
    return "CACHEMON_" + flag.removeprefix("--").replace("-", "_").upper()


@pytest.mark.parametrize(("flag", "value"), BAD)
def test_a_bad_value_is_refused_with_the_name_of_its_flag(flag: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=flag):
        parse_config([*NODE, f"{flag}={value}"], {})


@pytest.mark.parametrize(("flag", "value"), BAD)
def test_a_bad_value_from_the_environment_is_refused_the_same_way(flag: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=flag):
        parse_config(NODE, {variable(flag): value})


def test_the_nodes_name_is_required_and_the_message_names_both_ways() -> None:
    with pytest.raises(InvalidInputError, match=r"--node-name .*CACHEMON_NODE_NAME"):
        parse_config([], {})


@pytest.mark.parametrize("argv", [["--node", "x"], ["--unknown"], ["stray"], ["--node-name"]])
def test_an_unknown_flag_ends_the_program_with_a_message(
    argv: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parse_config(argv, {})
    assert raised.value.code == 2
    assert argv[0] in capsys.readouterr().err


def test_defaults_are_those_of_a_node() -> None:
    config = parse_config(NODE, {})
    assert config.node_name == "node01"
    assert config.machine == MachineSettings(Path("/sys/fs/resctrl"), Path("/proc"), Path("/sys"), 1, 5, None)
    assert (config.kubeconfig, config.node_period_seconds) == (None, 60)
    assert config.serving == Serving(Address("127.0.0.1", 9820), None)


def test_a_flag_wins_over_its_variable(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    environment = {
        "CACHEMON_NODE_NAME": "from-environment",
        "CACHEMON_SAMPLE_PERIOD": "5",
        "CACHEMON_RMID_BUDGET": "0",
        "CACHEMON_RESCTRL": str(tmp_path / "not-there-yet"),
        "CACHEMON_KUBECONFIG": str(kubeconfig),
    }
    config = parse_config(["--node-name", "from-flag"], environment)
    assert config.node_name == "from-flag"
    assert (config.machine.sample_seconds, config.machine.rmid_budget) == (5, 0)
    assert config.machine.resctrl == tmp_path / "not-there-yet"
    assert config.kubeconfig == kubeconfig


def test_vms_are_judged_only_where_that_is_switched_on(tmp_path: Path) -> None:
    assert parse_config(NODE, {}).interference is None
    assert parse_config([*NODE, "--bandwidth-limit=5"], {}).interference is None
    switched = [*NODE, "--interference=true"]
    assert parse_config(switched, {}).interference == InterferenceSettings(None, None, 10.0)
    record = tmp_path / "windows"
    config = parse_config([*switched, "--bandwidth-limit=40000000000", f"--record={record}"], {})
    assert config.interference == InterferenceSettings(40_000_000_000, record)
    counting = parse_config([*switched, "--interference-perf=true"], {})
    assert counting.interference == InterferenceSettings(perf=True)
    faster = parse_config([*switched, "--interference-window=0.5"], {})
    assert faster.interference == InterferenceSettings(None, None, 0.5)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("0.0.0.0:1", Address("0.0.0.0", 1)),
        ("[::1]:9820", Address("::1", 9820)),
        (":80", Address("", 80)),
    ],
)
def test_metrics_are_served_at_the_given_address_or_nowhere(text: str, address: Address | None) -> None:
    assert parse_config([*NODE, f"--metrics-address={text}"], {}).serving.metrics == address


def test_every_flag_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config(["--help"], {})
    text = capsys.readouterr().out
    assert all(flag in text for flag in {flag for flag, _ in BAD})
