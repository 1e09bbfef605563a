"""The command line of the program `cachemon`."""

import argparse
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from cachemon import __version__
from cachemon.commands import replay
from cachemon.commands.arguments import COMMON_OPTIONS, Commands, FrontEnd, Parser, add_option
from cachemon.commands.completers import AskNames, complete_files, no_names, set_completer
from cachemon.host.libvirt_uri import DEFAULT_SOCKET, DEFAULT_URI
from cachemon.web.page_options import add_page_options


def build_parser(ask: AskNames = no_names) -> argparse.ArgumentParser:
    """The parser of the whole command line; main.py has the function of each command.

    Args:
        ask: knows names, for completion: of the kinds domain and group.
    """
    parser = Parser(
        prog="cachemon",
        description="Which VMs hold the last-level cache of a machine, and which take its memory bandwidth.",
        epilog="On Kubernetes with KubeVirt, use `kubectl cachemon`.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    kinds = parser.add_subparsers(required=True, metavar="KIND", dest="kind", parser_class=Parser)
    host = kinds.add_parser(
        "host",
        help="a machine with plain libvirt",
        description="Monitoring groups of libvirt's domains, and their figures.",
        epilog="Options may stand before or after the command.",
        allow_abbrev=False,
    )
    _add_common(host)
    commands = host.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=Parser)
    for add in (
        _domstats,
        _cpu_resource,
        _top,
        _why,
        _web,
        _diagnose,
        _import,
        _export,
        _agent,
        _replay,
        _completion,
    ):
        add(_front_end(ask), commands)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = partial(add_option, parser.add_argument_group(COMMON_OPTIONS))
    add(
        "-c",
        "--connect",
        metavar="URI",
        says=f"of libvirt (default {DEFAULT_URI}; commands first take $LIBVIRT_DEFAULT_URI)",
    )
    add(
        "--socket",
        metavar="PATH",
        completer=complete_files,
        says=f"of the agent of that host (default, for a URI of this host, {DEFAULT_SOCKET})",
    )


def _front_end(ask: AskNames) -> FrontEnd:
    return FrontEnd(
        program="cachemon host",
        kind="DOMAIN",
        called="domain",
        names="name, id or UUID of the domain",
        several="names, ids or UUIDs of domains (default: all that run)",
        live="of the running domain: the group ends with its run",
        config="of the configuration: the group is there from the next start on",
        add_common=_add_common,
        ask=ask,
    )


def _domstats(host: FrontEnd, commands: Commands) -> None:
    host.domstats(
        commands,
        "The figures come from the agent. stderr says why a group has none.\n"
        "With --format libvirt, memory.bandwidth.* counts bytes since the agent has monitored the group.",
    )


def _cpu_resource(host: FrontEnd, commands: Commands) -> None:
    host.cpu_resource(commands)


SORT_KEYS = (
    "occupancy",
    "share",
    "bandwidth",
    "local",
    "name",
    "domain",
    "group",
    "kept",
    "block",
    "capacity",
    "most",
    "age",
    "trend",
    "reason",
)
"""Of `top`, as in `cachemon.plugin.plugin_arguments`."""


def _top(host: FrontEnd, commands: Commands) -> None:
    parser = host.top(
        commands,
        interval=1.0,
        by=("domain", "group", "block"),
        sort_keys=SORT_KEYS,
        details="`NoSum`: groups of ours and libvirt's monitors overlap, so that no sum is right.\n"
        "`NoGroup`: nothing watches the domain; `cachemon host cpu-resource DOMAIN --create` changes that.\n"
        "--csv has the columns and units of `pqos -u csv`, with domains for cores: KB of 1024 bytes, MB of 1024 KB,\n"
        "MBL local, MBR other, MBT all traffic with memory. Rates are means over the ten seconds before.\n"
        "  cachemon host top --csv --interval 1 --duration 60 > usage.csv",
    )
    parser.add_argument(
        "--csv", action="store_true", help="a line for each row and interval, as `pqos -u csv`; --duration is its -t"
    )


def _why(host: FrontEnd, commands: Commands) -> None:
    host.why(commands, "The agent judges with --interference=true (CACHEMON_HOST_INTERFERENCE of its unit).")


def _web(host: FrontEnd, commands: Commands) -> None:
    parser = host.command(
        commands,
        "web",
        "a page in the browser: cache blocks, domains, verdicts, and their history",
        details="It is served on 127.0.0.1, to who has the address. History goes back an hour: the agent keeps it.",
    )
    add_page_options(parser)


def _diagnose(host: FrontEnd, commands: Commands) -> None:
    parser = host.command(
        commands,
        "diagnose",
        "check what works on this host, and say what to do",
        outputs=("json", "yaml"),
        details="It works without the agent, and for every user.\n"
        "Exit code 0 when everything works, 1 when something does not.",
    )
    resctrl = parser.add_argument(
        "--resctrl",
        metavar="PATH",
        default="",
        help="mount point of resctrl on this host (default: where the agent has it, else /sys/fs/resctrl)",
    )
    set_completer(resctrl, complete_files)


def _import(host: FrontEnd, commands: Commands) -> None:
    parser = host.command(
        commands,
        "import",
        "create groups from the monitors in libvirt's domain XML",
        outputs=("json", "yaml", "name"),
        details="It reads <cachetune><monitor>, <memorytune><monitor> and the RFC's <resmongroup>, by their rules.\n"
        "libvirt drops <resmongroup> when it defines a domain: give the file that has it. From a file it also\n"
        "reads the groups in the metadata: they come from another host with cachemon.\n"
        "With -o json or yaml it prints the groups and writes nothing.",
    )
    host.add_name(parser, help="name, id or UUID of the domain; its configuration is read")
    file = parser.add_argument("file", metavar="FILE", nargs="?", help="XML to read instead; - is stdin")
    set_completer(file, complete_files)
    host.import_choice(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the groups that the domain has")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written")


def _export(host: FrontEnd, commands: Commands) -> None:
    host.export(
        commands,
        "Without --into it prints a <cputune>, for `virsh edit`. Groups of libvirt can't overlap. With --into it\n"
        "moves the groups from the metadata to monitors, which libvirt has from the next start:\n"
        "  virsh dumpxml --inactive --security-info vm3 |\n"
        "    cachemon host export vm3 --into - | virsh define /dev/stdin\n"
        "With --form metadata it removes the monitors instead.",
    )


def _agent(host: FrontEnd, commands: Commands) -> None:
    if find_spec("cachemon.host.agent.main"):
        parser = host.command(commands, "agent", "run the agent of this host, as its service does")
        import_module("cachemon.host.agent.config").add_flags(parser)


def _replay(host: FrontEnd, commands: Commands) -> None:
    summary = replay.DESCRIPTION[0].lower() + replay.DESCRIPTION[1:-1]
    parser = host.command(commands, "replay", summary, details=replay.DETAILS)
    replay.add_arguments(parser)


def _completion(host: FrontEnd, commands: Commands) -> None:
    host.completion(commands, "cachemon", "  source <(cachemon host completion bash)")
