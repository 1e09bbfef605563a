"""The command `replay`: windows as JSON lines in, changes of verdicts as JSON lines out."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from cachemon.interference.detector import Detector
from cachemon.interference.thresholds import Gates, Harm, Suspicion, Taking, Thresholds, Times
from cachemon.interference.verdicts import format_change
from cachemon.interference.windows import BlockId, parse_windows
from cachemon.model.errors import InvalidInputError

EXIT_INVALID = 2
_MOST = 86_400.0
_PARTS = {"times": Times, "gates": Gates, "harm": Harm, "suspicion": Suspicion, "taking": Taking}
DESCRIPTION = "Judge recorded windows: which VM takes cache or memory bandwidth from which."
DETAILS = (
    "A line of FILE is one window of one cache block:\n"
    '  {"time": 10, "block": 0, "capacityBytes": 33554432, "bandwidthLimitBytesPerSecond": null, "vms": [\n'
    '    {"vm": "ns/name", "occupancyBytes": 4194304, "trafficBytes": 1000000, "cpuSeconds": 9.5,\n'
    '     "runDelaySeconds": 0.1, "cycles": null, "uops": null}]}\n'
    "The exit code is 2 when a line is not valid."
)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        self.exit(EXIT_INVALID, f"{self.prog}: {message}\n")


def build_parser(program: str) -> argparse.ArgumentParser:
    """The command line of a program that has only this command."""
    parser = _OneLineParser(
        prog=program,
        description=DESCRIPTION,
        epilog=DETAILS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and a flag for each threshold."""
    parser.usage = "%(prog)s [--THRESHOLD NUMBER]... FILE"
    parser.add_argument("file", metavar="FILE", help="windows as JSON lines; - is stdin")
    for part, kind in _PARTS.items():
        for threshold in fields(kind):
            parser.add_argument(
                _flag(part, threshold),
                type=_seconds if part == "times" else _number,
                default=threshold.default,
                metavar="NUMBER",
                help=f"{threshold.metadata['meaning']} (default {threshold.default:g})",
            )


def _flag(part: str, threshold: "Field[Any]") -> str:
    return f"--{part}-{threshold.name}".replace("_", "-")


def _number(text: str, least: float = 0.0) -> float:
    value = float(text)
    if not least <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"must be from {least:g} to {_MOST:g}, not {text!r}")
    return value


def _seconds(text: str) -> float:
    return _number(text, 1.0)


def thresholds_of(args: argparse.Namespace) -> Thresholds:
    """The thresholds that the flags set."""
    given = vars(args)
    return Thresholds(
        **{
            part: kind(**{each.name: given[f"{part}_{each.name}"] for each in fields(kind)})
            for part, kind in _PARTS.items()
        }
    )


def main(program: str, argv: Sequence[str]) -> int:
    """Run the command; see `run`."""
    return run(program, build_parser(program).parse_args(argv))


def run(program: str, args: argparse.Namespace) -> int:
    """Print what the detector says of the file.

    Returns:
        0; 2 with a message of one line when the file can't be read or a line is not valid.
    """
    try:
        with nullcontext(sys.stdin.buffer) if args.file == "-" else Path(args.file).open("rb") as file:
            for line in replayed(_text_lines(file), thresholds_of(args)):
                print(line, flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InvalidInputError, OSError) as err:
        reason = err.strerror if isinstance(err, OSError) else err
        print(f"{program}: {args.file}: {reason}", file=sys.stderr)
        return EXIT_INVALID
    except KeyboardInterrupt:
        return 130
    return 0


def _text_lines(file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as err:
            raise InvalidInputError(f"line {number}: the text is not UTF-8: {err.reason}") from None


def replayed(lines: Iterable[str], thresholds: Thresholds) -> Iterator[str]:
    """The changes that the windows cause, each as a line. Each block has a detector of its own.

    InvalidInputError names the first line that is not valid, after the changes before it.
    """
    detectors: dict[BlockId, Detector] = {}
    for window in parse_windows(lines):
        if window.block not in detectors:
            detectors[window.block] = Detector(thresholds)
        yield from map(format_change, detectors[window.block].observe(window))
