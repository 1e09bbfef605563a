"""The program kubectl-cachemon, found by kubectl on the PATH as `kubectl cachemon`."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cachemon import __version__
from cachemon.cli.domstats import domain_statistics
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.credentials import load_credentials
from cachemon.model.api import GROUPS
from cachemon.model.errors import CachemonError, InvalidInputError

__all__ = ["main"]

EXIT_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; figures go to stdout, everything else to stderr.

    Returns:
        0, or 1 with a message when there is nothing to show.
    """
    args = _parser().parse_args(argv)
    try:
        return asyncio.run(_domstats(args))
    except CachemonError as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kubectl cachemon", description="Who uses the last-level cache of your VMs.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    domstats = commands.add_parser(
        "domstats", help="cache occupancy of a VMI, as libvirt's RFC prints it", allow_abbrev=False
    )
    domstats.add_argument("vmi", metavar="VMI", help="name of the VirtualMachineInstance")
    domstats.add_argument("-n", "--namespace", help="namespace of the VMI (default: that of the context)")
    domstats.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text")
    domstats.add_argument("--kubeconfig", type=Path, help="credentials file (default: $KUBECONFIG or ~/.kube/config)")
    domstats.add_argument("--context", help="which context of the file (default: its current one)")
    return parser


async def _domstats(args: argparse.Namespace) -> int:
    kubeconfig = args.kubeconfig or default_kubeconfig(os.environ)
    credentials = await load_credentials(kubeconfig, args.context)
    namespace = args.namespace or credentials.namespace
    async with KubeClient(credentials) as client:
        listing = await client.list(GROUPS, Selector(fields=f"spec.vmiName={args.vmi}"), namespace)
    if not listing.items:
        raise InvalidInputError(
            f"no CacheMonitorGroup watches VMI {args.vmi} in namespace {namespace}; see `kubectl get cmg -A`"
        )
    found = domain_statistics(listing.items)
    _print(args.vmi, dict(found.values), args.output)
    for remark in found.remarks:
        print(remark, file=sys.stderr)
    return 0


def _print(vmi: str, values: Mapping[str, Any], output: str) -> None:
    if output == "json":
        print(json.dumps({"domain": vmi, **values}, indent=2))
    elif output == "yaml":
        print(yaml.safe_dump({"domain": vmi, **values}, sort_keys=False), end="")
    else:
        print(f"Domain: '{vmi}'")
        for key, value in values.items():
            print(f"  {key}={value}")


def default_kubeconfig(environment: Mapping[str, str]) -> Path:
    """The file that kubectl would take: the first of $KUBECONFIG, else ~/.kube/config."""
    named = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


if __name__ == "__main__":
    sys.exit(main())
