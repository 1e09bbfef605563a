"""`domstats`: the figures of domains under the keys of the 2018 RFC, or of libvirt."""

from argparse import Namespace
from collections.abc import Sequence

from cachemon.commands.backend import DomainStatistics, Terminal
from cachemon.commands.output import is_data, render_data
from cachemon.model.domstats_keys import KeyStyle, keys_of, render_keys


def print_statistics(
    domains: Sequence[DomainStatistics], args: Namespace, terminal: Terminal, *, single: bool
) -> None:
    """Print figures in the format of `--format` and `--output`, which is not `name`.

    Args:
        domains: in the order to print them.
        args: `format` and `output`.
        terminal: where to.
        single: whether one domain was named: JSON and YAML are then an object, not a list.
    """
    style = KeyStyle.LIBVIRT if args.format == "libvirt" else KeyStyle.RFC
    output = "json" if args.format == "json" else args.output
    data = []
    for domain in domains:
        pairs = keys_of(domain.groups, style)
        data.append({"domain": domain.name, **dict(pairs)})
        if not is_data(output):
            if len(data) > 1:
                terminal.say("")
            terminal.say(render_keys(domain.name, pairs))
        for remark in domain.remarks:
            terminal.remark(remark)
    if is_data(output):
        terminal.say(render_data(data[0] if single else data, output))
