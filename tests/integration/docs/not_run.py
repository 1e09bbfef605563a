"""Commands of the pages that the lab can't run, each with the reason and with what is checked of it instead."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.libvirt_uri import host_of_uri
from cachemon.plugin.plugin_arguments import build_parser as plugin_parser
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import REPOSITORY

OWN = Path("/run/user/0")  # where root has its own sockets


def _is_a_target(command: str) -> str:
    """`make TARGET [NAME=VALUE...]`."""
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return "" if command.split()[1] in targets else "the Makefile has no such target"


def _kubectl_knows_it(command: str) -> str:
    """Subcommand and flags: kubectl reads them all before it answers --help."""
    first = command.partition(" | ")[0]
    done = subprocess.run(
        [kubectl_program(), *shlex.split(first)[1:], "--help"], capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def _files_are_there(command: str) -> str:
    """Of all arguments that look like a path of the repository."""
    arguments = [word.removeprefix("./") for word in shlex.split(command) if "/" in word and "://" not in word]
    return ", ".join(f"{word} is not there" for word in arguments if not (REPOSITORY / word).exists())


def _is_an_extra(command: str) -> str:
    """`pip install 'cachemon[EXTRA]'`, or of the clone."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.search(r"'(?:cachemon|\.)\[(\w+)\]'", command)
    return "" if named and named[1] in extras else "there is no such extra"


def _names_the_socket_that_ssh_forwards(command: str) -> str:
    """Options and arguments are known, and the socket is that of the program's own advice."""
    arguments = shlex.split(command)
    if arguments[0] == "ssh":
        uri = f"qemu+ssh://{arguments[-1]}/system"
        return "" if command in host_of_uri(uri).advice(OWN) else "the program advises something else"
    args = build_parser().parse_args(arguments[1:])
    socket = getattr(args, "socket", "")
    return "" if socket in host_of_uri(args.connect).advice(OWN) else "this socket is another host's"


def _parses_as_the_plugins(command: str) -> str:
    """Options and arguments are known."""
    try:
        plugin_parser().parse_args(shlex.split(command)[2:])
    except SystemExit:
        return "the plugin does not know this"
    return ""


def _parses_as_the_hosts(command: str) -> str:
    """Options and arguments are known."""
    try:
        build_parser().parse_args(shlex.split(command)[1:])
    except SystemExit:
        return "the program does not know this"
    return ""


def _forwards_a_port_to_itself(command: str) -> str:
    """The page answers under the number of its own port only."""
    found = re.search(r"-L (\d+):127\.0\.0\.1:(\d+) ", command)
    return "" if found and found[1] == found[2] else "the page would refuse this port"


def _is_bash(command: str) -> str:
    done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
    return done.stderr


@dataclass(frozen=True, slots=True)
class NotRun:
    """A kind of command.

    Attributes:
        pattern: the whole command.
        reason: why it can't be run here.
        check: what is wrong with it as far as can be checked; empty when nothing is.
    """

    pattern: str
    reason: str
    check: Callable[[str], str]


NOT_RUN = (
    NotRun(r"(sudo )?make demo", "tests/e2e/test_demo.py runs it", lambda it: _is_a_target(it.removeprefix("sudo "))),
    NotRun(r"make [a-z-]+( [A-Z]+=\S+)*", "these are what runs this test, or take long", _is_a_target),
    NotRun(
        r"kubectl apply --server-side -[fk] (crds|manifests)/",
        "tests/integration/apiserver/test_readme.py runs it; here it would take the fields of the lab's own apply",
        _files_are_there,
    ),
    NotRun(
        r"helm .*",
        "its cluster needs nodes that run pods; tests/integration/chart renders the chart",
        _files_are_there,
    ),
    NotRun(
        r"kubectl (-n \S+ )?(logs|top|rollout|exec|port-forward|wait --for=condition=Ready pod) .*",
        "the lab's pods are records: no kubelet is behind them",
        _kubectl_knows_it,
    ),
    NotRun(
        r"curl -sk -H \"Authorization: .*",
        "no pod is behind that port; tests/integration/apiserver/test_metrics_access.py asks the programs themselves",
        _is_bash,
    ),
    NotRun(r"kubectl get .* (-w|--watch)", "it never ends", _kubectl_knows_it),
    NotRun(
        r"((/opt/cachemon/bin/)?pip|pipx|uv tool) install '(cachemon|\.)\[\w+\]'",
        "it would change this machine; tests/integration/release/test_python_packages.py runs pipx and uv on a wheel",
        _is_an_extra,
    ),
    NotRun(
        r"(apt-get install|python3 -m venv|ln -s|rm -r) .*(/opt/cachemon|libvirt-dev).*",
        "it would change this machine; lab/setup.sh has the packages",
        _is_bash,
    ),
    NotRun(
        r"cachemon host -c qemu\+ssh://\S+ (cpu-resource|--socket) .*|ssh -fnNT -L .*",
        "there is no second host that takes ssh; tests/unit/host/agent/test_socket_server.py runs commands over a "
        "socket as ssh forwards one",
        _names_the_socket_that_ssh_forwards,
    ),
    NotRun(
        r"kubectl cachemon web( .*)?",
        "it serves until Ctrl-C; tests/integration/apiserver/test_web.py runs it",
        _parses_as_the_plugins,
    ),
    NotRun(
        r"cachemon host web( .*)?",
        "it serves until Ctrl-C; tests/integration/host/test_page.py runs it",
        _parses_as_the_hosts,
    ),
    NotRun(
        r"ssh -N -L \d+:127\.0\.0\.1:\d+ \S+",
        "there is no second machine that takes ssh",
        _forwards_a_port_to_itself,
    ),
    NotRun(r"export KUBECONFIG=.*", "`make demo` prints it with the paths of that run", _is_bash),
    NotRun(
        r"\.venv/bin/python -m pytest tests/integration/docs",
        "it is what runs this test",
        lambda _: _files_are_there("tests/integration/docs"),
    ),
    NotRun(
        r"(cosign|skopeo) .*|export (IMAGE|WORKFLOW|ISSUER)=.*",
        "no registry has this release; tests/integration/release/test_published_images.py verifies images in one",
        _is_bash,
    ),
    NotRun(r"git (clone|tag) .*", "the test is in a clone, and tags nothing", _is_bash),
)


def rule_of(command: str) -> NotRun | None:
    """The rule for a command, or None for one that is to be run."""
    return next((rule for rule in NOT_RUN if re.fullmatch(rule.pattern, command)), None)
