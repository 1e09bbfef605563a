"""Commands and options that `kubectl cachemon` and `cachemon host` have alike."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

__all__ = ["COMMON_OPTIONS", "EXIT_FAILED", "Commands", "FrontEnd", "Parser", "add_option"]

EXIT_FAILED = 1
COMMON_OPTIONS = "options of every command"


class Parser(argparse.ArgumentParser):
    """Says what is wrong as kubectl does: on stderr, with exit code 1."""

    def error(self, message: str) -> NoReturn:
        """Tell it and leave."""
        print(f"error: {message}\nSee '{self.prog} --help' for usage.", file=sys.stderr)
        sys.exit(EXIT_FAILED)


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001  argparse has no public name for it


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """One of both, in its own words.

    Attributes:
        program: as it is called: `kubectl cachemon`.
        kind: what a command is about: VMI. In lower case it is the attribute of the parsed arguments that names it.
        called: the same in a sentence: `VMI`, `domain`.
        names: what can be given as its name.
        several: what can be given where several may be named.
        live: what --live means.
        config: what --config means.
        add_common: adds the options of every command.
    """

    program: str
    kind: str
    called: str
    names: str
    several: str
    live: str
    config: str
    add_common: Callable[[argparse.ArgumentParser], None]

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that has the name."""
        return self.kind.lower()

    def command(
        self, commands: Commands, name: str, summary: str, *, outputs: Sequence[str] = (), details: str = ""
    ) -> Parser:
        """A command with the options of every command."""
        parser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=details,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if outputs:
            parser.add_argument("-o", "--output", choices=outputs, default="", help="another form of the answer")
        self.add_common(parser)
        return parser

    def domstats(self, commands: Commands, details: str) -> Parser:
        """The figures."""
        parser = self.command(
            commands,
            "domstats",
            f"cache occupancy of {self.called}s under the keys of libvirt's RFC",
            outputs=("json", "yaml", "name"),
            details=details,
        )
        parser.add_argument(self.dest, metavar=self.kind, nargs="*", help=self.several)
        parser.add_argument(
            "--format", choices=("rfc", "libvirt", "json"), default="rfc", help="whose keys; json: the RFC's as JSON"
        )
        parser.add_argument(
            "--vcpu-cache",
            "--cpu-resource",
            action="store_true",
            help="the RFC's option: these figures and no others, as without it",
        )
        return parser

    def cpu_resource(self, commands: Commands) -> Parser:
        """The RFC's command."""
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
        parser.add_argument(self.dest, metavar=self.kind, help=self.names)
        parser.add_argument("--group-name", metavar="NAME", help="group to manipulate (default: vcpus_LIST)")
        parser.add_argument("--vcpulist", metavar="LIST", help="vCPUs of the group: 0-3,^1, or all")
        parser.add_argument("--create", action="store_true", help="create a group")
        parser.add_argument("--destroy", action="store_true", help="destroy a group")
        parser.add_argument("--live", action="store_true", help=self.live)
        parser.add_argument("--config", action="store_true", help=self.config)
        parser.add_argument(
            "--current", action="store_true", help=f"--live if the {self.called} runs, else --config (default)"
        )
        return parser

    def export(self, commands: Commands, details: str) -> Parser:
        """Back to libvirt."""
        parser = self.command(
            commands, "export", f"print the groups of a {self.called} as libvirt's XML", details=details
        )
        parser.add_argument(self.dest, metavar=self.kind, help=self.names)
        parser.add_argument(
            "--group", action="append", default=[], metavar="NAME", help="only this group; may be repeated"
        )
        parser.add_argument("--into", metavar="FILE", help="domain XML whose monitors are to be replaced; - is stdin")
        parser.add_argument(
            "--form",
            choices=("monitor", "resmongroup", "metadata"),
            default="monitor",
            help="libvirt's element, the RFC's, or that of a host with cachemon, which leaves no group out",
        )
        return parser

    def completion(self, commands: Commands, program_file: str, details: str) -> Parser:
        """For shells."""
        parser = self.command(
            commands, "completion", f"print a script that completes {program_file} in a shell", details=details
        )
        parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
        return parser


def add_option(options: Any, *flags: str, says: str, **more: Any) -> None:
    """Before or after the command: an option that is not given leaves what is there."""
    options.add_argument(*flags, help=says, default=argparse.SUPPRESS, **more)
