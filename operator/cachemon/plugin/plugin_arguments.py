"""The command line of the plugin: commands, options, help."""

import argparse
from functools import partial
from pathlib import Path

from cachemon import __version__
from cachemon.commands.arguments import COMMON_OPTIONS, Commands, FrontEnd, Parser, add_option

__all__ = ["build_parser"]


def build_parser() -> argparse.ArgumentParser:
    """The parser of everything; each command's `run` names its function (see main.py)."""
    parser = Parser(
        prog=_PLUGIN.program,
        description="Who holds the last-level cache of your VMs' nodes, and who takes their memory bandwidth.",
        epilog="Options may stand before or after the command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kubectl-cachemon {__version__}")
    _add_common(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=Parser)
    for add in (_domstats, _cpu_resource, _top, _nodes, _diagnose, _import, _export, _completion):
        add(commands)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = partial(add_option, parser.add_argument_group(COMMON_OPTIONS))
    add("-n", "--namespace", metavar="NAME", says="namespace (default: that of the context)")
    add("--context", metavar="NAME", says="which context of the kubeconfig (default: its current one)")
    add("--kubeconfig", metavar="FILE", type=Path, says="credentials (default: $KUBECONFIG or ~/.kube/config)")
    add("--request-timeout", metavar="TIME", says="how long a request may take: 5s, 2m; 0 is for ever (default 30s)")


_PLUGIN = FrontEnd(
    program="kubectl cachemon",
    kind="VMI",
    called="VMI",
    names="name of the VirtualMachineInstance",
    several="VirtualMachineInstances (default: all that are watched)",
    live="of the running VMI: the group ends with it",
    config="for whenever the VMI runs, now included",
    add_common=_add_common,
)


def _everywhere(parser: Parser) -> None:
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, not only one")


def _domstats(commands: Commands) -> None:
    parser = _PLUGIN.domstats(
        commands,
        "With --format libvirt memory.bandwidth.* is left out: libvirt counts bytes since the start, and\n"
        "the API has bytes per second. The agents' /metrics count bytes.",
    )
    _everywhere(parser)


def _cpu_resource(commands: Commands) -> None:
    _PLUGIN.cpu_resource(commands)


def _top(commands: Commands) -> None:
    parser = _PLUGIN.command(
        commands,
        "top",
        "who holds the caches, heaviest first",
        outputs=("json", "yaml"),
        details="A `>` before a figure: at least that. The VMI's groups overlap, and none has all their threads.\n"
        "CACHE is the part of all caches that the groups are measured in.",
    )
    _everywhere(parser)
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


def _nodes(commands: Commands) -> None:
    parser = _PLUGIN.command(
        commands, "nodes", "how full the caches of the nodes are", outputs=("wide", "json", "yaml", "name")
    )
    parser.add_argument("node", metavar="NODE", nargs="*", help="only these")
    parser.add_argument("--no-headers", action="store_true", help="rows only")


def _diagnose(commands: Commands) -> None:
    parser = _PLUGIN.command(
        commands,
        "diagnose",
        "what works on a node, what does not, and what to do",
        outputs=("json", "yaml"),
        details="Exit code 0 when everything works, 1 when something does not.",
    )
    parser.add_argument("node", metavar="NODE", help="name of the node")


def _import(commands: Commands) -> None:
    parser = _PLUGIN.command(
        commands,
        "import",
        "make CacheMonitorGroups of the monitors in libvirt's domain XML",
        outputs=("json", "yaml", "name"),
        details="Read are <cachetune><monitor>, <memorytune><monitor>, the RFC's <resmongroup>, and the groups that\n"
        "`cachemon host` has put into the metadata.\n"
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


def _export(commands: Commands) -> None:
    _PLUGIN.export(
        commands, "Without --into it is a <cputune>, for `virsh edit`. libvirt can't have groups that overlap."
    )


def _completion(commands: Commands) -> None:
    _PLUGIN.completion(
        commands,
        "kubectl-cachemon",
        "  source <(kubectl cachemon completion bash)\n"
        "`kubectl cachemon <TAB>` needs no script: kubectl asks kubectl_complete-cachemon by itself.",
    )
