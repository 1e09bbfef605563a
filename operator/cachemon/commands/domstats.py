"""`domstats`: the figures of domains under the keys of the 2018 RFC, or of libvirt."""

from argparse import Namespace

from cachemon.commands.backend import Statistics, Terminal
from cachemon.commands.output import render_data
from cachemon.model.domstats_keys import KeyStyle, keys_of, render_keys

__all__ = ["print_statistics"]


def print_statistics(statistics: Statistics, args: Namespace, terminal: Terminal, *, single: bool) -> None:
    """Print what was found, in the form that is asked for.

    Args:
        statistics: of the domains that were asked for.
        args: `format` and `output`.
        terminal: where to.
        single: whether one domain was named: its figures are then no list, as JSON or YAML.
    """
    if args.output == "name":
        terminal.say(statistics.names)
        return
    style = KeyStyle.LIBVIRT if args.format == "libvirt" else KeyStyle.RFC
    output = "json" if args.format == "json" else args.output
    data = []
    for domain in statistics.domains:
        pairs = keys_of(domain.groups, style)
        data.append({"domain": domain.name, **dict(pairs)})
        if output not in ("json", "yaml"):
            if len(data) > 1:
                terminal.say("")
            terminal.say(render_keys(domain.name, pairs))
        for remark in domain.remarks:
            terminal.remark(remark)
    if output in ("json", "yaml"):
        terminal.say(render_data(data[0] if single else data, output))
