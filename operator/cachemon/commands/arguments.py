"""Commands and options that `kubectl cachemon` and `cachemon host` share."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from cachemon.commands.completers import AskNames, Completer, complete_files, complete_names, set_completer
from cachemon.commands.output import JSONPATH

EXIT_FAILED = 1
COMMON_OPTIONS = "options of every command"

_OF_TOP = (
    "`>` before a figure means at least that: groups overlap, and none has all their threads.\n"
    "CACHE is the share of the caches that the groups are measured in.\n"
    "--sort-by puts the largest first, the oldest, and names from A.\n"
    "AGE is how old the figures are: `(late)` when others were renewed since these should have been.\n"
    "TREND, live and with -o wide, is the occupancy at each renewal since the start, and by how much it changed;\n"
    "blanks are renewals that were missed.\n"
    "-o csv has bytes and the names of -o json; an apostrophe before =, +, -, @ and ' keeps spreadsheets from\n"
    "taking a name for a formula.\n"
)


class Parser(argparse.ArgumentParser):
    """Reports a usage error as kubectl does: on stderr, with exit code 1."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        print(f"error: {message}\nSee '{self.prog} --help' for usage.", file=sys.stderr)
        sys.exit(EXIT_FAILED)


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001  argparse has no public name for it


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """What one of both programs has of its own.

    Attributes:
        program: how a person calls it: `kubectl cachemon`.
        kind: what commands are about: VMI. In lower case it is the attribute of the parsed arguments that has its
            name, and the kind of name to ask for.
        called: the same in a sentence: `VMI`, `domain`.
        names: what identifies one, for help texts.
        several: the same where a command takes several.
        live: help of --live.
        config: help of --config.
        add_common: adds the options of every command.
        ask: knows names, for completion.
        read_name: makes a name of what a person types.
    """

    program: str
    kind: str
    called: str
    names: str
    several: str
    live: str
    config: str
    add_common: Callable[[argparse.ArgumentParser], None]
    ask: AskNames
    read_name: Callable[[str], str] = str

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that has the name."""
        return self.kind.lower()

    def add_name(self, parser: argparse.ArgumentParser, **more: Any) -> None:
        """The argument that names what a command is about."""
        argument = parser.add_argument(self.dest, metavar=self.kind, type=self.read_name, **more)
        set_completer(argument, complete_names(self.dest, self.ask))

    def command(
        self, commands: Commands, name: str, summary: str, *, outputs: Sequence[str] = (), details: str = ""
    ) -> Parser:
        """Add a command with the options of every command."""
        parser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=details,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if outputs:
            add_output(parser, outputs)
        self.add_common(parser)
        return parser

    def domstats(self, commands: Commands, details: str) -> Parser:
        """`domstats`: figures."""
        parser = self.command(
            commands,
            "domstats",
            f"cache occupancy of {self.called}s under the keys of libvirt's RFC",
            outputs=("json", "yaml", "name"),
            details=details,
        )
        self.add_name(parser, nargs="*", help=self.several)
        parser.add_argument(
            "--format",
            choices=("rfc", "libvirt", "json"),
            default="rfc",
            help="keys of the RFC or of libvirt; json: the RFC's as JSON",
        )
        parser.add_argument(
            "--vcpu-cache",
            "--cpu-resource",
            action="store_true",
            help="accepted as in the RFC; it changes nothing",
        )
        return parser

    def cpu_resource(self, commands: Commands) -> Parser:
        """`cpu-resource`: the RFC's command."""
        parser = self.command(
            commands,
            "cpu-resource",
            f"show, create or destroy CPU resource monitoring groups of a {self.called}",
            outputs=("wide", "json", "yaml", "name"),
            details="examples:\n"
            f"  {self.program} cpu-resource vm3\n"
            f"  {self.program} cpu-resource vm3 --create --vcpulist 0-3 --config\n"
            f"  {self.program} cpu-resource vm3 --create --group-name web --vcpulist 0,2 --live\n"
            f"  {self.program} cpu-resource vm3 --destroy --group-name web",
        )
        self.add_name(parser, help=self.names)
        group = parser.add_argument("--group-name", metavar="NAME", help="group to manipulate (default: vcpus_LIST)")
        set_completer(group, complete_names("group", self.ask))
        parser.add_argument("--vcpulist", metavar="LIST", help="vCPUs of the group: 0-3,^1, or all")
        parser.add_argument("--create", action="store_true", help="create a group")
        parser.add_argument("--destroy", action="store_true", help="destroy a group")
        parser.add_argument("--live", action="store_true", help=self.live)
        parser.add_argument("--config", action="store_true", help=self.config)
        parser.add_argument(
            "--current", action="store_true", help=f"--live if the {self.called} runs, else --config (default)"
        )
        return parser

    def top(
        self, commands: Commands, *, interval: float, by: Sequence[str], sort_keys: Sequence[str], details: str = ""
    ) -> Parser:
        """`top`: who holds the caches."""
        parser = self.command(
            commands,
            "top",
            "who holds the caches, largest first",
            outputs=("wide", "json", "yaml", "csv"),
            details=f"{_OF_TOP}{details}",
        )
        self.add_name(parser, nargs="*", help="only these")
        parser.add_argument("--by", choices=by, default=by[0], help="what a row is")
        parser.add_argument("--sort-by", choices=sort_keys, default="occupancy", help="order of the rows")
        parser.add_argument("--once", action="store_true", help="print once (default when stdout is no terminal)")
        parser.add_argument(
            "--interval",
            type=float,
            default=interval,
            metavar="SECONDS",
            help=f"between two drawings (default {interval:g})",
        )
        parser.add_argument("--duration", type=float, metavar="SECONDS", help="end then (default: at Ctrl-C)")
        parser.add_argument("--no-headers", action="store_true", help="rows only")
        return parser

    def why(self, commands: Commands, details: str) -> Parser:
        """`why`: who disturbs one."""
        parser = self.command(
            commands,
            "why",
            f"whether other VMs disturb a {self.called}, how that is known, and what to do",
            details=f"{details}\nCharts are ASCII digits where the locale is not UTF-8.",
        )
        self.add_name(parser, help=self.names)
        parser.add_argument("--ascii", action="store_true", help="charts in ASCII")
        return parser

    def export(self, commands: Commands, details: str) -> Parser:
        """`export`: from groups to libvirt's XML."""
        parser = self.command(
            commands, "export", f"print the groups of a {self.called} as libvirt's XML", details=details
        )
        self.add_name(parser, help=self.names)
        group = parser.add_argument(
            "--group", action="append", default=[], metavar="NAME", help="only this group; may be repeated"
        )
        set_completer(group, complete_names("group", self.ask))
        into = parser.add_argument("--into", metavar="FILE", help="domain XML to replace the monitors of; - is stdin")
        set_completer(into, complete_files)
        parser.add_argument(
            "--form",
            choices=("monitor", "resmongroup", "metadata"),
            default="monitor",
            help="element of libvirt, of the RFC, or of `cachemon host`; only the last one takes every group",
        )
        return parser

    def import_choice(self, parser: Parser) -> None:
        """`--group` of `import`."""
        parser.add_argument(
            "--group", action="append", default=[], metavar="NAME", help="only this group; may be repeated"
        )

    def completion(self, commands: Commands, program_file: str, details: str) -> Parser:
        """`completion`: a script for a shell."""
        parser = self.command(
            commands, "completion", f"print a script that completes {program_file} in a shell", details=details
        )
        parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
        return parser


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Add `-o`; where there is JSON, a template can take values out of it."""
    known = [*formats, *([f"{JSONPATH}TEMPLATE"] if "json" in formats else [])]

    def output_format(text: str) -> str:
        if text in ("", *formats) or ("json" in formats and text.startswith(JSONPATH) and text != JSONPATH):
            return text
        raise argparse.ArgumentTypeError(f"{text!r} must be one of {', '.join(known)}")

    option = parser.add_argument(
        "-o", "--output", type=output_format, metavar="FORMAT", default="", help=f"one of {', '.join(known)}"
    )
    set_completer(option, lambda **_: formats)


def add_option(options: Any, *flags: str, says: str, completer: Completer | None = None, **more: Any) -> None:
    """Add an option that may stand before or after the command: it sets nothing where it is not given."""
    option = options.add_argument(*flags, help=says, default=argparse.SUPPRESS, **more)
    if completer:
        set_completer(option, completer)
