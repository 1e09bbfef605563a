import asyncio
from collections.abc import Sequence

import pytest

from cachemon.model.errors import KubeUnreachableError
from cachemon.plugin.plugin_completion import answer, complete, script

COMMANDS = ("domstats", "cpu-resource", "top", "nodes", "diagnose", "import", "export", "completion")


@pytest.mark.parametrize(
    ("line", "part", "words"),
    [
        ([], "", COMMANDS),
        ([], "d", ("domstats", "diagnose")),
        (["-n", "tenant-b"], "do", ("domstats",)),
        (["top"], "--by", ("--by",)),
        (["top", "--by"], "", ("vmi", "group", "block", "node")),
        (["domstats", "-o"], "", ("json", "yaml", "name")),
        (["completion"], "", ("bash", "zsh", "fish")),
        (["completion"], "z", ("zsh",)),
        (["cpu-resource", "vm3", "--create"], "--vc", ("--vcpulist",)),
        (["completion", "bash"], "", ()),
    ],
)
def test_words_come_from_the_parser(line: list[str], part: str, words: tuple[str, ...]) -> None:
    assert complete(line, part).words == words


@pytest.mark.parametrize(
    ("line", "lookup"),
    [
        (["domstats"], "vmi"),
        (["domstats", "vm1"], "vmi"),
        (["cpu-resource"], "vmi"),
        (["cpu-resource", "vm3"], ""),
        (["cpu-resource", "vm3", "--group-name"], "group_name"),
        (["export", "vm3", "--group"], "group"),
        (["diagnose"], "node"),
        (["top", "-n"], "namespace"),
        (["top", "--namespace"], "namespace"),
    ],
)
def test_names_come_from_the_api(line: list[str], lookup: str) -> None:
    assert complete(line, "").lookup == lookup


@pytest.mark.parametrize("line", [["import"], ["import", "a.xml"], ["export", "vm3", "--into"], ["--kubeconfig"]])
def test_files_are_left_to_the_shell(line: list[str]) -> None:
    assert complete(line, "").files


def test_the_answer_is_what_kubectl_reads() -> None:
    async def known(what: str, _: Sequence[str]) -> list[str]:
        return {"vmi": ["vm3", "vm1", "db", "vm1"]}[what]

    async def away(_what: str, _words: Sequence[str]) -> list[str]:
        raise KubeUnreachableError("away")

    assert asyncio.run(answer(["domstats"], "vm", known)) == "vm1\nvm3\n:4"
    assert asyncio.run(answer(["domstats"], "vm", away)) == ":4"
    assert asyncio.run(answer(["import"], "", away)) == ":0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell_asks_the_program(shell: str) -> None:
    assert "kubectl_complete-cachemon" in script(shell)
