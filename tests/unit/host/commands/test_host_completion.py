import asyncio
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from cachemon.commands.completion import complete
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_completion import answer, names, script
from cachemon.host.commands.host_session import HostSession
from tests.unit.host.commands.fake_host import Host, group


def words_after(line: Sequence[str], part: str) -> tuple[str, ...]:
    return complete(build_parser(), line, part).words


@pytest.mark.parametrize(
    ("line", "part", "words"),
    [
        ([], "", ("host",)),
        (["host"], "d", ("domstats",)),
        (["host", "-c", "qemu:///session"], "cp", ("cpu-resource",)),
        (["host", "domstats", "--format"], "", ("rfc", "libvirt", "json")),
        (["host", "completion"], "z", ("zsh",)),
        (["host", "cpu-resource", "vm3", "--create"], "--vc", ("--vcpulist",)),
    ],
)
def test_words_come_from_the_parser(line: list[str], part: str, words: tuple[str, ...]) -> None:
    assert words_after(line, part) == words


@pytest.mark.parametrize(
    ("line", "lookup", "files"),
    [
        (["host", "domstats"], "domain", False),
        (["host", "domstats", "vm1"], "domain", False),
        (["host", "cpu-resource"], "domain", False),
        (["host", "cpu-resource", "vm3", "--group-name"], "group_name", False),
        (["host", "export", "vm3", "--group"], "group", False),
        (["host", "import"], "domain", False),
        (["host", "import", "vm3"], "", True),
        (["host", "--socket"], "", True),
    ],
)
def test_names_come_from_libvirt_and_files_from_the_shell(line: list[str], lookup: str, *, files: bool) -> None:
    found = complete(build_parser(), line, "")
    assert (found.lookup, found.files) == (lookup, files)


def looked_up(host: Host, what: str) -> list[str]:
    async def ask() -> list[str]:
        return await names(what, HostSession(host.libvirt.connect, host.agent))

    return asyncio.run(ask())


def test_domains_and_groups_of_the_host_are_named() -> None:
    host = Host()
    host.libvirt.put("vm1", groups=[group("web", "0")], runs=False)
    host.libvirt.put("vm2")
    host.run("cpu-resource", "vm2", "--create", "--vcpulist", "1", "--live")
    assert looked_up(host, "domain") == ["vm1", "vm2"]
    assert looked_up(host, "group") == ["web", "vcpus_1"]
    host.agent.away = True
    assert looked_up(host, "group_name") == ["web"]


def test_what_can_not_be_asked_gives_no_candidates() -> None:
    assert asyncio.run(answer(["host", "-c", "nonsense:///", "domstats"], "")) == ":4"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell_asks_the_program(shell: str) -> None:
    text = script(shell)
    assert "cachemon __complete " in text
    assert "@" not in text.replace("${(@", "").replace("[@]", "")
    assert "kubectl" not in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_takes_the_script_and_completes_with_it() -> None:
    probe = (
        'cachemon() { printf "%s\\n" vm1 vm2 :4; }\n'
        f"{script('bash')}\n"
        "COMP_WORDS=(cachemon host domstats vm); COMP_CWORD=3; _cachemon; echo ${COMPREPLY[*]}"
    )
    done = subprocess.run(["bash", "-c", probe], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("vm1 vm2\n", "")
