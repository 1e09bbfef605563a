"""The command line of the plugin: commands, options, help."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from cachemon import __version__

__all__ = ["build_parser"]

EXIT_FAILED = 1
_PROGRAM = "kubectl cachemon"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as kubectl does: on stderr, with exit code 1."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\nSee '{self.prog} --help' for usage.", file=sys.stderr)
        sys.exit(EXIT_FAILED)


def build_parser() -> argparse.ArgumentParser:
    """The parser of everything; each command's `run` names its function (see main.py)."""
    parser = _Parser(
        prog=_PROGRAM,
        description="Who holds the last-level cache of your VMs' nodes, and who takes their memory bandwidth.",
        epilog="Options may stand before or after the command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    _add_common(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=_Parser)
    for add in (_domstats, _cpu_resource, _top, _nodes, _diagnose, _import, _export, _completion):
        add(commands)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Before or after the command: an option that is not given leaves what is there."""
    options = parser.add_argument_group("options of every command")

    def add(*flags: str, says: str, **more: Any) -> None:
        options.add_argument(*flags, help=says, default=argparse.SUPPRESS, **more)

    add("-n", "--namespace", metavar="NAME", says="namespace (default: that of the context)")
    add("--context", metavar="NAME", says="which context of the kubeconfig (default: its current one)")
    add("--kubeconfig", metavar="FILE", type=Path, says="credentials (default: $KUBECONFIG or ~/.kube/config)")
    add("--request-timeout", metavar="TIME", says="how long a request may take: 5s, 2m; 0 is for ever (default 30s)")


def _command(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    summary: str,
    *,
    outputs: tuple[str, ...] = (),
    everywhere: bool = False,
    details: str = "",
) -> argparse.ArgumentParser:
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
    if everywhere:
        parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, not only one")
    _add_common(parser)
    return parser


def _domstats(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "domstats",
        "cache occupancy of VMIs under the keys of libvirt's RFC",
        outputs=("json", "yaml", "name"),
        everywhere=True,
        details="With --format libvirt memory.bandwidth.* is left out: libvirt counts bytes since the start, and\n"
        "the API has bytes per second. The agents' /metrics count bytes.",
    )
    parser.add_argument(
        "vmi", metavar="VMI", nargs="*", help="VirtualMachineInstances (default: all that are watched)"
    )
    parser.add_argument(
        "--format", choices=("rfc", "libvirt", "json"), default="rfc", help="whose keys; json: the RFC's as JSON"
    )


def _cpu_resource(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "cpu-resource",
        "show, create or destroy CPU resource monitoring groups of a VMI",
        outputs=("wide", "json", "yaml", "name"),
        details="examples:\n"
        "  kubectl cachemon cpu-resource vm3\n"
        "  kubectl cachemon cpu-resource vm3 --create --vcpulist 0-3 --config\n"
        "  kubectl cachemon cpu-resource vm3 --create --group-name web --vcpulist 0,2 --live\n"
        "  kubectl cachemon cpu-resource vm3 --destroy --group-name web",
    )
    parser.add_argument("vmi", metavar="VMI", help="name of the VirtualMachineInstance")
    parser.add_argument("--group-name", metavar="NAME", help="group to manipulate (default: vcpus_LIST)")
    parser.add_argument("--vcpulist", metavar="LIST", help="vCPUs of the group: 0-3,^1, or all")
    parser.add_argument("--create", action="store_true", help="create a group")
    parser.add_argument("--destroy", action="store_true", help="destroy a group")
    parser.add_argument("--live", action="store_true", help="of the running VMI: the group ends with it")
    parser.add_argument("--config", action="store_true", help="for whenever the VMI runs, now included")
    parser.add_argument("--current", action="store_true", help="--live if the VMI runs, else --config (default)")


def _top(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "top",
        "who holds the caches, heaviest first",
        outputs=("json", "yaml"),
        everywhere=True,
        details="A `>` before a figure: at least that. The VMI's groups overlap, and none has all their threads.\n"
        "CACHE is the part of all caches that the groups are measured in.",
    )
    parser.add_argument("vmi", metavar="VMI", nargs="?", help="only this one")
    parser.add_argument("--by", choices=("vmi", "group", "block", "node"), default="vmi", help="what a row is")
    parser.add_argument(
        "--sort-by",
        choices=("occupancy", "share", "bandwidth", "name"),
        default="occupancy",
        help="order of the rows",
    )
    parser.add_argument("--once", action="store_true", help="print once; so it is when stdout is no terminal")
    parser.add_argument(
        "--interval", type=float, default=5.0, metavar="SECONDS", help="between two looks (default 5)"
    )
    parser.add_argument("--no-headers", action="store_true", help="rows only")


def _nodes(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands, "nodes", "how full the caches of the nodes are", outputs=("wide", "json", "yaml", "name")
    )
    parser.add_argument("node", metavar="NODE", nargs="*", help="only these")
    parser.add_argument("--no-headers", action="store_true", help="rows only")


def _diagnose(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "diagnose",
        "what works on a node, what does not, and what to do",
        outputs=("json", "yaml"),
        details="Exit code 0 when everything works, 1 when something does not.",
    )
    parser.add_argument("node", metavar="NODE", help="name of the node")


def _import(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "import",
        "make CacheMonitorGroups of the monitors in libvirt's domain XML",
        outputs=("json", "yaml", "name"),
        details="Read are <cachetune><monitor>, <memorytune><monitor> and the RFC's <resmongroup>, by their rules.\n"
        "With -o json or yaml the objects are printed and nothing is written:\n"
        "  virsh dumpxml vm3 | kubectl cachemon import - -o yaml",
    )
    parser.add_argument("file", metavar="FILE", nargs="+", help="XML of a domain; - is stdin")
    parser.add_argument("--vmi", metavar="NAME", help="VMI that it is for (default: by the domain's name)")
    parser.add_argument("--name", help="name of the CacheMonitorGroup (default: that of the VMI)")
    parser.add_argument("--overwrite", action="store_true", help="replace the groups of one that is there")
    parser.add_argument(
        "--dry-run",
        nargs="?",
        choices=("none", "client", "server"),
        const="client",
        default="none",
        help="only say what would be written; server: have the API server check it",
    )


def _export(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "export",
        "print the groups of a VMI as libvirt's XML",
        details="Without --into it is a <cputune>, for `virsh edit`. libvirt can't have groups that overlap.",
    )
    parser.add_argument("vmi", metavar="VMI", help="name of the VirtualMachineInstance")
    parser.add_argument(
        "--group", action="append", default=[], metavar="NAME", help="only this group; may be repeated"
    )
    parser.add_argument("--into", metavar="FILE", help="domain XML whose monitors are to be replaced; - is stdin")
    parser.add_argument(
        "--form", choices=("monitor", "resmongroup"), default="monitor", help="libvirt's element, or the RFC's"
    )


def _completion(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = _command(
        commands,
        "completion",
        "print a script that completes kubectl-cachemon in a shell",
        details="  source <(kubectl cachemon completion bash)\n"
        "`kubectl cachemon <TAB>` needs no script: kubectl asks kubectl_complete-cachemon by itself.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
