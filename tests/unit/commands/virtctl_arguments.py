"""The part of virtctl's command line that messages advise, by its documented form. virtctl itself needs a cluster.

KubeVirt v1.9: pkg/virtctl/vm/migrate.go has `migrate (VM)`, with exactly one argument. pkg/virtctl/root.go gives
every command the flags of server and user that kubectl has.
"""

import argparse

FLAGS = ("--context", "--kubeconfig", "--cluster", "--user", "-s --server", "--token", "--as", "-n --namespace")


def virtctl_parser() -> argparse.ArgumentParser:
    """The parser of `virtctl migrate`."""
    parser = argparse.ArgumentParser("virtctl", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    migrate = commands.add_parser("migrate", allow_abbrev=False)
    migrate.add_argument("vm")
    migrate.add_argument("--addedNodeSelector")
    for command in (parser, migrate):
        for flag in FLAGS:
            command.add_argument(*flag.split(), default=argparse.SUPPRESS)
        command.add_argument("--as-group", action="append", default=argparse.SUPPRESS)
    return parser
