import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest

from cachemon.commands.completion import complete_for_kubectl
from cachemon.model.errors import KubeUnreachableError
from cachemon.plugin.plugin_arguments import build_parser

COMMANDS = (
    "domstats",
    "cpu-resource",
    "top",
    "why",
    "verdicts",
    "nodes",
    "web",
    "diagnose",
    "import",
    "export",
    "completion",
    "version",
)


async def named_by_kind(kind: str, _: Namespace) -> Sequence[str]:
    return (f"a-{kind}",)


def answered(*arguments: str) -> list[str]:
    """The lines that kubectl reads; the last of the arguments is the one to complete."""
    return complete_for_kubectl(build_parser(named_by_kind), arguments[:-1], arguments[-1]).splitlines()


def candidates(*arguments: str) -> tuple[str, ...]:
    return tuple(line.partition("\t")[0] for line in answered(*arguments)[:-1])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (("",), COMMANDS),
        (("d",), ("domstats", "diagnose")),
        (("-n", "tenant-b", "do"), ("domstats",)),
        (("top", "--by"), ("--by",)),
        (("top", "--by", ""), ("vmi", "group", "block", "node")),
        (("domstats", "-o", ""), ("json", "yaml", "name")),
        (("completion", ""), ("bash", "zsh", "fish")),
        (("completion", "z"), ("zsh",)),
        (("cpu-resource", "vm3", "--create", "--vc"), ("--vcpulist",)),
        (("cpu-resource", "vm3", "--vcpulist", ""), ()),
        (("completion", "bash", ""), ()),
    ],
)
def test_commands_options_and_choices_come_from_the_parser(line: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert candidates(*line) == found


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (("domstats", ""), "vmi"),
        (("domstats", "vm1", ""), "vmi"),
        (("cpu-resource", ""), "vmi"),
        (("cpu-resource", "vm3", "--group-name", ""), "group"),
        (("export", "vm3", "--group", ""), "group"),
        (("why", ""), "vmi"),
        (("verdicts", ""), "node"),
        (("diagnose", ""), "node"),
        (("nodes", "node01", ""), "node"),
        (("top", "-n", ""), "namespace"),
        (("top", "--namespace", ""), "namespace"),
        (("import", "a.xml", "--vmi", ""), "vmi"),
    ],
)
def test_names_come_from_the_api(line: tuple[str, ...], kind: str) -> None:
    assert answered(*line) == [f"a-{kind}", ":4"]


def test_the_api_is_asked_with_the_options_of_the_line() -> None:
    asked: list[Namespace] = []

    async def ask(_: str, args: Namespace) -> Sequence[str]:
        asked.append(args)
        return ("db", "vm3", "vm1", "vm1")

    line = ("--context", "east", "domstats", "-A", "--kubeconfig", "/a b/config")
    assert complete_for_kubectl(build_parser(ask), line, "vm") == "vm1\nvm3\n:4"
    assert (asked[0].context, asked[0].kubeconfig, asked[0].all_namespaces) == ("east", "/a b/config", True)


def test_without_an_answer_of_the_api_there_are_no_names() -> None:
    async def away(_kind: str, _args: Namespace) -> Sequence[str]:
        raise KubeUnreachableError("away")

    assert complete_for_kubectl(build_parser(away), ["domstats"], "vm") == ":4"


def test_commands_and_options_have_descriptions() -> None:
    assert answered("no") == ["nodes\thow full the caches of the nodes are", ":4"]
    assert answered("top", "--onc") == ["--once\tprint once (default when stdout is no terminal)", ":4"]


@pytest.mark.parametrize(
    "line",
    [("import",), ("import", "a.xml"), ("export", "vm3", "--into"), ("--kubeconfig",), ("nodes", "--kubeconfig")],
)
def test_files_are_completed(line: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "one.xml").touch()
    (tmp_path / "two words").mkdir()
    assert candidates(*line, f"{tmp_path}/o") == (f"{tmp_path}/one.xml",)
    assert answered(*line, f"{tmp_path}/t") == [f"{tmp_path}/two words/", ":6"]


def test_kubectls_program_prints_what_kubectl_reads(tmp_path: Path) -> None:
    code = "import sys; from cachemon.plugin.plugin_completion import main; sys.exit(main())"
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    for arguments, expected in (
        (["top", "--sort-by", "sh"], "share\torder of the rows\n:4\n"),
        (["domstats", ""], ":4\n"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True, env=environment
        )
        assert (done.returncode, done.stdout) == (0, expected)
