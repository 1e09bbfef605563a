"""The command line of the plugin: commands, options, help."""

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from shlex import quote

from cachemon import __version__
from cachemon.commands.arguments import COMMON_OPTIONS, Commands, FrontEnd, Parser, add_option
from cachemon.commands.completers import AskNames, complete_files, complete_names, no_names, set_completer
from cachemon.kube.kubeconfig_pipes import has_pipe
from cachemon.plugin.typed_names import read_node_name, read_vmi_name
from cachemon.plugin.web_arguments import add_web


def build_parser(ask: AskNames = no_names) -> argparse.ArgumentParser:
    """The parser of the whole command line; main.py has the function of each command.

    Args:
        ask: knows names, for completion: of the kinds vmi, group, node, namespace.
    """
    plugin = _front_end(ask)
    parser = Parser(
        prog=plugin.program,
        description="Which VMs hold the last-level cache of your nodes, and which take their memory bandwidth.",
        epilog="Options may stand before or after the command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kubectl-cachemon {__version__}")
    plugin.add_common(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=Parser)
    for add in (
        _domstats,
        _cpu_resource,
        _top,
        _why,
        _verdicts,
        _nodes,
        add_web,
        _diagnose,
        _import,
        _export,
        _completion,
        _version,
    ):
        add(plugin, commands)
    return parser


def _add_common(ask: AskNames, parser: argparse.ArgumentParser) -> None:
    add = partial(add_option, parser.add_argument_group(COMMON_OPTIONS))
    namespaces = complete_names("namespace", ask)
    add("-n", "--namespace", metavar="NAME", completer=namespaces, says="namespace (default: that of the context)")
    add("--request-timeout", metavar="TIME", says="limit of a request: 5s, 1m30s; 0 is none (default 30s)")
    for option, (metavar, says) in _OF_KUBECTL.items():
        add(
            *option.split(),
            metavar=metavar,
            completer=complete_files if metavar in ("FILE", "DIR") else None,
            says=says,
            action="append" if option in _REPEATED else "store",
        )
    for option, says in _SWITCHES_OF_KUBECTL.items():
        add(option, metavar="BOOL", nargs="?", const="true", choices=("true", "false"), says=says)


_OF_KUBECTL: Mapping[str, tuple[str, str]] = {
    "--context": ("NAME", "context of the kubeconfig (default: its current one)"),
    "--kubeconfig": ("FILE", "kubeconfig (default: $KUBECONFIG, else ~/.kube/config)"),
    "--cluster": ("NAME", "cluster of the kubeconfig"),
    "--user": ("NAME", "user of the kubeconfig"),
    "-s --server": ("URL", "address of the API server"),
    "--token": ("TOKEN", "bearer token"),
    "--as": ("USER", "user to impersonate"),
    "--as-group": ("GROUP", "group to impersonate; may be repeated"),
    "--as-uid": ("UID", "UID to impersonate"),
    "--as-user-extra": ("KEY=VALUE", "extra field of the user to impersonate; may be repeated"),
    "--certificate-authority": ("FILE", "certificate that signed the API server's"),
    "--client-certificate": ("FILE", "client certificate"),
    "--client-key": ("FILE", "key of the client certificate"),
    "--tls-server-name": ("NAME", "name that the API server's certificate must have"),
    "--username": ("NAME", "user for basic authentication"),
    "--password": ("TEXT", "password for basic authentication"),
    "--cache-dir": ("DIR", "kubectl's cache"),
}
_SWITCHES_OF_KUBECTL: Mapping[str, str] = {
    "--insecure-skip-tls-verify": "do not check the API server's certificate",
    "--disable-compression": "ask for answers without compression",
}
_REPEATED = frozenset({"--as-group", "--as-user-extra"})


_SECRET = frozenset({"--token", "--password"})


def kubectl_flags(args: argparse.Namespace) -> list[str]:
    """The flags that kubectl gets: which server, and as whom."""
    return [f"{flag}={value}" for flag, value in _given_flags(args)]


def repeated_flags(args: argparse.Namespace) -> str:
    """The same for a shell, as a command has them that is advised; without secrets and pipes."""
    return " ".join(
        f"{flag}={quote(value)}"
        for flag, value in _given_flags(args)
        if flag not in _SECRET and not has_pipe([f"{flag}={value}"], {})
    )


def _given_flags(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for option in (*_OF_KUBECTL, *_SWITCHES_OF_KUBECTL):
        flag = option.split()[-1]
        given = getattr(args, flag.removeprefix("--").replace("-", "_"), None)
        for value in given if isinstance(given, list) else [given]:
            if value is not None:
                yield flag, value


def _front_end(ask: AskNames) -> FrontEnd:
    return FrontEnd(
        program="kubectl cachemon",
        kind="VMI",
        called="VMI",
        names="name of the VirtualMachineInstance",
        several="VirtualMachineInstances (default: all that have groups)",
        live="of the running VMI: the group ends with it",
        config="whenever the VMI runs, now included",
        add_common=partial(_add_common, ask),
        ask=ask,
        read_name=read_vmi_name,
    )


def _everywhere(parser: Parser) -> None:
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, not only one")
    _selected(parser)


def _selected(parser: Parser) -> None:
    parser.add_argument(
        "-l", "--selector", metavar="LABELS", default="", help="only objects with these labels: a=b,c!=d"
    )


def _watched(parser: Parser) -> None:
    parser.add_argument("-w", "--watch", action="store_true", help="print again whenever an object changes")


def _domstats(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.domstats(
        commands,
        "--format libvirt has no memory.bandwidth.*: libvirt counts bytes since the start, and the API has\n"
        "bytes per second. The agents' /metrics count bytes.",
    )
    _everywhere(parser)
    _watched(parser)


def _cpu_resource(plugin: FrontEnd, commands: Commands) -> None:
    _watched(plugin.cpu_resource(commands))


SORT_KEYS = (
    "occupancy",
    "share",
    "bandwidth",
    "local",
    "name",
    "namespace",
    "vmi",
    "group",
    "object",
    "node",
    "block",
    "capacity",
    "watched",
    "rmids",
    "most",
    "age",
    "trend",
    "reason",
)
"""Of `top`: a key for each column of each table, and `name` for all that names a row."""


def _top(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.top(
        commands,
        interval=5.0,
        by=("vmi", "group", "block", "node"),
        sort_keys=SORT_KEYS,
    )
    _everywhere(parser)
    _watched(parser)
    parser.add_argument(
        "--live",
        action="store_true",
        help="have the agents renew what is shown every 2 s, for 15 minutes; needs the role cachemon-edit",
    )


def _why(plugin: FrontEnd, commands: Commands) -> None:
    plugin.why(
        commands,
        "Charts, and names of other namespaces, need the right to read CacheMonitorNodes.\n"
        "Agents judge where the chart's value interference.enabled is true.",
    )


def _verdicts(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.command(
        commands,
        "verdicts",
        "which VMs disturb which, worst first",
        outputs=("wide", "json", "yaml"),
        details="SLOWER is how many more cycles the victim takes for the same work, where that is measured.\n"
        "SINCE is the age of the verdict, AGE that of what is known.\n"
        "Without the right to read CacheMonitorNodes, VMs of other namespaces have no name.",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, not only one")
    node = parser.add_argument("node", metavar="NODE", nargs="?", type=read_node_name, help="only this one")
    set_completer(node, complete_names("node", plugin.ask))
    parser.add_argument("--ended", action="store_true", help="also the last ones that ended")
    parser.add_argument("--no-headers", action="store_true", help="rows only")


def _nodes(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.command(
        commands, "nodes", "how full the caches of the nodes are", outputs=("wide", "json", "yaml", "name")
    )
    nodes = parser.add_argument("node", metavar="NODE", nargs="*", type=read_node_name, help="only these")
    set_completer(nodes, complete_names("node", plugin.ask))
    _selected(parser)
    _watched(parser)
    parser.add_argument("--no-headers", action="store_true", help="rows only")


def _diagnose(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.command(
        commands,
        "diagnose",
        "check what works on a node, and say what to do",
        outputs=("json", "yaml"),
        details="Exit code 0 when everything works, 1 when something does not.",
    )
    node = parser.add_argument("node", metavar="NODE", type=read_node_name, help="name of the node")
    set_completer(node, complete_names("node", plugin.ask))


def _import(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.command(
        commands,
        "import",
        "create CacheMonitorGroups from the monitors in libvirt's domain XML",
        outputs=("json", "yaml", "name"),
        details="It reads <cachetune><monitor>, <memorytune><monitor>, the RFC's <resmongroup>, and the groups that\n"
        "`cachemon host` has put into the metadata.\n"
        "With -o json or yaml it prints the objects and writes nothing:\n"
        "  virsh dumpxml vm3 | kubectl cachemon import - -o yaml",
    )
    files = parser.add_argument("file", metavar="FILE", nargs="+", help="XML of a domain; - is stdin")
    set_completer(files, complete_files)
    vmi = parser.add_argument(
        "--vmi", metavar="NAME", type=read_vmi_name, help="VMI of the groups (default: by the domain's name)"
    )
    set_completer(vmi, complete_names("vmi", plugin.ask))
    parser.add_argument("--name", help="name of the CacheMonitorGroup (default: that of the VMI)")
    plugin.import_choice(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the groups of an object that exists")
    parser.add_argument(
        "--dry-run",
        nargs="?",
        choices=("none", "client", "server"),
        const="client",
        default="none",
        help="print what would be written; server: the API server checks it",
    )


def _export(plugin: FrontEnd, commands: Commands) -> None:
    plugin.export(
        commands, "Without --into it prints a <cputune>, for `virsh edit`. Groups of libvirt can't overlap."
    )


def _completion(plugin: FrontEnd, commands: Commands) -> None:
    plugin.completion(
        commands,
        "kubectl-cachemon",
        "  source <(kubectl cachemon completion bash)\n"
        "`kubectl cachemon <TAB>` needs no script of ours: kubectl runs kubectl_complete-cachemon.",
    )


def _version(plugin: FrontEnd, commands: Commands) -> None:
    parser = plugin.command(
        commands, "version", "print the versions of the plugin and of the agents", outputs=("json", "yaml")
    )
    parser.add_argument("--client", action="store_true", help="the plugin's alone; needs no cluster")
