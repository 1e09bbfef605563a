"""Every command that a message advises is read by what would run it: a shell, our parsers, kubectl."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cachemon.host.commands.host_arguments import build_parser as host_parser
from cachemon.plugin.advice import AdvisedCommands
from cachemon.plugin.plugin_arguments import build_parser as plugin_parser
from cachemon.plugin.plugin_arguments import kubectl_flags, repeated_flags
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import REPOSITORY
from tests.unit.commands.virtctl_arguments import virtctl_parser
from tests.unit.host.commands.fake_host import Host, domain_xml
from tests.unit.plugin.fake_api import Plugin

PACKAGES = ("plugin", "commands", "controller", "host", "libvirt", "model")
PROGRAMS = r"(?:kubectl|virtctl|virsh|cachemon|systemctl|journalctl|ssh|chronyc|timedatectl)"
COMMAND = re.compile(rf"`((?:{PROGRAMS}|<QUOTED PROGRAM>)(?: [^`]*)?)`")
BARE = re.compile(
    r"(?:^|: )((?:kubectl (?:get|describe|delete|logs|apply|cachemon|-n)|virtctl migrate|helm upgrade) [^;`]*?)"
    r"(?=$|;)"
)

QUOTED = ("quote(", "self.virsh", "self.program", "session.virsh", "session.program")
"""Values that are safe in a shell: quoted here, or where they are made."""

SAFE = {
    "whose",
    "selected",
    "forwarded",
    "DEFAULT_SOCKET",
    "options",
    "target",
    "some",
    "_AGENT_PODS",
    "PROGRAM_LABEL",
}
"""Variables that are made of quoted values or of our own constants."""


def templates() -> Iterator[tuple[str, str]]:
    """Every text of the programs with its place; each value in it stands as <QUOTED ...> or <RAW ...>."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / "operator/cachemon" / package).rglob("*.py")):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in nodes:
                if id(node) in documentation or id(node) in inside:
                    continue
                if isinstance(node, ast.JoinedStr):
                    yield _place(path, node), "".join(map(_part, node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield _place(path, node), node.value


def _place(path: Path, node: ast.expr) -> str:
    return f"{path.relative_to(REPOSITORY / 'operator/cachemon')}:{node.lineno}"


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    source = ast.unparse(part.value)
    if source.endswith((".virsh", ".program")):
        return "<QUOTED PROGRAM>" if source.endswith(".virsh") else "cachemon host -c qemu+ssh://far/system"
    return f"<QUOTED {source}>" if source.startswith(QUOTED) or source in SAFE else f"<RAW {source}>"


ADVISED = [
    (place, command)
    for place, text in templates()
    for command in (*COMMAND.findall(text), *(BARE.findall(text) if place.startswith("plugin/") else ()))
]


def rendered(command: str) -> str:
    command = command.replace("<QUOTED PROGRAM>", "virsh -c 'test:///a b'")
    command = command.replace("<QUOTED whose>", "'win 11; gaming' -n tenant-a")
    return re.sub(r"<QUOTED [^>]*>", "'win 11; gaming'", command).replace("...", "")


def test_there_are_such_commands() -> None:
    programs = {command.split()[0] for _, command in ADVISED}
    assert {"kubectl", "virtctl", "helm", "cachemon", "<QUOTED", "systemctl"} <= programs
    assert len(ADVISED) > 20


SERVER = [
    "--context",
    "prod; east",
    "--kubeconfig=/home/a b/config",
    "--as",
    "viewer",
    "--as-group=a",
    "--as-group=b",
]


@pytest.mark.parametrize("flags", [[], SERVER], ids=["", "another server"])
@pytest.mark.parametrize(("place", "command"), ADVISED, ids=[place for place, _ in ADVISED])
def test_an_advised_command_quotes_what_it_names_and_is_one_that_can_be_run(
    place: str, command: str, flags: list[str]
) -> None:
    assert "<RAW" not in command, f"{place}: quote what is not your own: {command}"
    given = plugin_parser().parse_args([*flags, "nodes"])
    arguments = shlex.split(AdvisedCommands(repeated_flags(given)).complete(rendered(command)))
    if arguments[0] in ("kubectl", "virtctl") and len(arguments) > 2:
        wanted = kubectl_flags(given)
        assert [argument for argument in arguments if argument in wanted] == wanted, command
    if (
        arguments[:2] == ["kubectl", "cachemon"]
        and len(arguments) > 2
        and not {"<TAB>", "completion"} & set(arguments)
    ):
        plugin_parser().parse_args(arguments[2:])
    elif arguments[0] == "virtctl":
        read = virtctl_parser().parse_args(arguments[1:])
        assert (read.command, read.vm) == ("migrate", "win 11; gaming")
    elif arguments[0] == "helm":
        assert_the_chart_has(arguments)
    elif arguments[:2] == ["cachemon", "host"] and len(arguments) > 2:
        host_parser().parse_args(arguments[1:])
    elif arguments[0] == "kubectl" and arguments[1:2] != ["cachemon"]:
        done = subprocess.run(
            [kubectl_program(), *arguments[1:], "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def assert_the_chart_has(arguments: list[str]) -> None:
    """The folder of the chart is there, and it has the values that are set."""
    folder = REPOSITORY / next(word for word in arguments if "/" in word)
    values = yaml.safe_load((folder / "values.yaml").read_text())
    for path in [word.removeprefix("--set=").split("=")[0] for word in arguments if word.startswith("--set=")]:
        value = values
        for part in path.split("."):
            value = value[part]


NAME = "win 11; gaming"
URI = "qemu+ssh://far/system"
MONITOR = "<cachetune vcpus='0'><monitor level='3' vcpus='0'/></cachetune>"


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", NAME],
        ["export", NAME, "--form", "metadata", "--into", "-"],
        ["export", NAME],
        ["cpu-resource", NAME, "--create", "--vcpulist", "0", "--live"],
        ["cpu-resource", NAME, "--destroy", "--group-name", "vcpus_0"],
        ["domstats", NAME],
        ["import", "passing by"],
    ],
    ids=" ".join,
)
def test_a_domain_with_a_blank_stays_one_word_in_every_command_that_is_advised(arguments: list[str]) -> None:
    host = Host(uri=URI)
    host.libvirt.put(NAME, cputune=MONITOR)
    host.libvirt.put("passing by", persistent=False)
    done = host.run(*arguments, stdin=domain_xml(NAME, MONITOR).decode())
    for command in re.findall(r"`([^`]+)`", done.err):
        split = shlex.split(command)
        assert ";" not in split
        if split[0] in ("virsh", "cachemon"):
            assert URI in split, command
            assert not {"win", "passing"} & set(split), command


def test_a_vmi_that_no_shell_takes_as_one_word_is_quoted() -> None:
    done = Plugin().run("domstats", "a b")
    assert "`kubectl cachemon cpu-resource 'a b' -n ns --create --vcpulist all --config`" in done.err


@pytest.mark.parametrize(
    "words", [["nodes"], ["domstats"], ["diagnose", "n"], ["export", "vm3"], ["cpu-resource", "vm3"]]
)
def test_every_command_of_the_plugin_repeats_the_flags_that_were_given_and_no_secret(words: list[str]) -> None:
    done = Plugin().run(*words, *SERVER, "--token", "abc", "-n", "ns")
    advised = re.findall(r"kubectl (?:cachemon )?(.*?)(?:[;`]|$)", done.err + done.out, re.MULTILINE)
    assert advised
    wanted = "--context='prod; east' --kubeconfig='/home/a b/config' --as=viewer --as-group=a --as-group=b "
    assert all(text.startswith(wanted[: len(text)]) for text in advised), advised
    assert "abc" not in done.err + done.out


@pytest.mark.parametrize(
    "text", ["kubectl can't ask the API server: EOF", "kubectl proxy does not answer", "my-kubectl get"]
)
def test_what_is_no_command_gets_no_flags(text: str) -> None:
    assert AdvisedCommands("--context=prod").complete(text) == text
