from pathlib import Path

import pytest

from resctrl_emulator.arguments import parse_arguments


def test_the_defaults_are_two_blocks_64_rmids_and_monitoring_only(tmp_path: Path) -> None:
    arguments = parse_arguments([str(tmp_path)])
    assert {block.id: block.capacity_bytes for block in arguments.blocks} == {0: 32 << 20, 1: 32 << 20}
    assert (arguments.options.rmids, arguments.options.closids, arguments.options.profile.name) == (64, 0, "7.3")


def test_events_stand_in_the_order_of_the_kernel(tmp_path: Path) -> None:
    arguments = parse_arguments([str(tmp_path), "--events=mbm_total_bytes,llc_occupancy"])
    assert arguments.options.events == ("llc_occupancy", "mbm_total_bytes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cache-block=0=1Mi", "--cache-block=0=2Mi"], "each --cache-block needs an id of its own"),
        (["--cache-block=0"], "give ID=SIZE"),
        (["--cache-block=x=1Mi"], "give ID=SIZE"),
        (["--cache-block=0=1Ti"], "give ID=SIZE"),
        (["--cache-block=0=1Ki"], "at least 64Ki"),
        (["--cache-block=0=65537"], "in whole Ki"),
        (["--rmids=1"], "--rmids must be at least 2"),
        (["--rmids=x"], "invalid int value"),
        (["--closids=1"], "--closids must be 0"),
        (["--events=foo"], "event 'foo' does not exist"),
        (["--profile=5.10"], "invalid choice: '5.10'"),
        (["--sysfs=/nonexistent/sys"], "/nonexistent does not exist"),
        (["--control=/nonexistent/socket"], "/nonexistent does not exist"),
        (["--control=/tmp/" + "x" * 200], "at most 107 bytes"),
        (["--control=/etc/passwd"], "exists and is not a socket"),
        (["--profile=6.1", "--mbm-counters=1"], "that kernel has no BMEC, SNC, ABMC or telemetry"),
        (["--snc-nodes=0"], "--snc-nodes must be at least 1"),
        (["--snc-nodes=2", "--mbm-counters=1"], "exclude each other"),
        (["--snc-nodes=2", "--rmids=3"], "--rmids must be at least 2 for each node of --snc-nodes"),
        (["--cpus=1"], "--cpus must be at least 2"),
        (["--cpus=3", "--snc-nodes=2"], "--cpus must be at least 4"),
        (["--packages=3"], "--packages must be at most the number of cache blocks"),
        (["--packages=x"], "give a number, 0 or more"),
        (["--package-rmids=1"], "--package-rmids must be 0"),
        (["--cpus=x"], "give a number, 0 or more"),
        (["--scale=0"], "--scale must be from 1 to 65536"),
        (["--cbm-bits=33"], "--cbm-bits must be from 1 to 32"),
        (["--cbm-bits=2", "--shareable-bits=4"], "--shareable-bits has more bits than --cbm-bits"),
        (["--transactions=xyz"], "give a hexadecimal number"),
        (["--limbo-seconds=-1"], "--limbo-seconds must not be negative"),
    ],
)
def test_a_bad_option_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments([str(tmp_path), *options])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_mountpoint_that_is_missing_or_a_file_or_taken_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for path, message in ((tmp_path / "no", "does not exist"), (tmp_path / "file", "is not a directory")):
        with pytest.raises(SystemExit):
            parse_arguments([str(path)])
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_arguments(["/proc"])
    assert "mountpoint /proc is already in use" in capsys.readouterr().err


def test_features_are_taken_over(tmp_path: Path) -> None:
    options = parse_arguments(
        [str(tmp_path), "--rmids=64", "--snc-nodes=2", "--packages=1", "--package-rmids=20", "--transactions=0x15"]
    ).options
    assert (options.l3_rmids, options.telemetry_rmids, options.group_rmids) == (32, 20, 20)
    assert options.transactions == 0x15
