"""The command line of `web`."""

from cachemon.commands.arguments import Commands, FrontEnd
from cachemon.commands.completers import complete_files, set_completer
from cachemon.web.page_options import add_page_options


def add_web(plugin: FrontEnd, commands: Commands) -> None:
    """The command, and its options."""
    parser = plugin.command(
        commands,
        "web",
        "a page in the browser: nodes, VMs, verdicts, and their history",
        details="It is served on 127.0.0.1, to who has the address, and shows what you may see. It installs\n"
        "nothing. History begins when the page is opened. With --prometheus it goes back to what that has of\n"
        "the agents.",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces, not only one")
    add_page_options(parser)
    parser.add_argument(
        "--prometheus", metavar="URL", help="a Prometheus that scrapes the agents: history from before"
    )
    parser.add_argument(
        "--prometheus-cluster", metavar="NAME", help="label `cluster` of this cluster, where it has several"
    )
    for name, says in (
        ("token", "bearer token for it, read again for each request; sent by https or to loopback only"),
        ("ca", "certificate that signed its own"),
    ):
        file = parser.add_argument(f"--prometheus-{name}-file", metavar="FILE", help=says)
        set_completer(file, complete_files)
