import asyncio
from argparse import Namespace
from collections.abc import Sequence

import pytest

from cachemon.commands.completion import complete_for_kubectl
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_completion import ask_host, names
from cachemon.host.commands.host_session import HostSession
from tests.unit.host.commands.fake_host import Host, group


async def named_by_kind(kind: str, _: Namespace) -> Sequence[str]:
    return (f"a-{kind}",)


def candidates(*arguments: str) -> tuple[str, ...]:
    lines = complete_for_kubectl(build_parser(named_by_kind), arguments[:-1], arguments[-1]).splitlines()
    return tuple(line.partition("\t")[0] for line in lines[:-1])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (("",), ("host",)),
        (("host", "d"), ("domstats", "diagnose")),
        (("host", "-c", "qemu:///session", "cp"), ("cpu-resource",)),
        (("host", "domstats", "--format", ""), ("rfc", "libvirt", "json")),
        (("host", "completion", "z"), ("zsh",)),
        (("host", "cpu-resource", "vm3", "--create", "--vc"), ("--vcpulist",)),
        (("host", "domstats", ""), ("a-domain",)),
        (("host", "domstats", "vm1", ""), ("a-domain",)),
        (("host", "cpu-resource", ""), ("a-domain",)),
        (("host", "import", ""), ("a-domain",)),
        (("host", "cpu-resource", "vm3", "--group-name", ""), ("a-group",)),
        (("host", "export", "vm3", "--group", ""), ("a-group",)),
    ],
)
def test_options_come_from_the_parser_and_names_from_libvirt(line: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert candidates(*line) == found


def asked(host: Host, kind: str) -> Sequence[str]:
    async def ask() -> Sequence[str]:
        return await names(kind, HostSession(host.libvirt.connect, host.agent))

    return asyncio.run(ask())


def test_domains_and_groups_of_the_host_are_named() -> None:
    host = Host()
    host.libvirt.put("vm1", groups=[group("web", "0")], runs=False)
    host.libvirt.put("vm2")
    host.run("cpu-resource", "vm2", "--create", "--vcpulist", "1", "--live")
    assert asked(host, "domain") == ["vm1", "vm2"]
    assert asked(host, "group") == ["web", "vcpus_1"]
    host.agent.away = True
    assert asked(host, "group") == ["web"]


def test_without_an_answer_of_libvirt_there_are_no_names() -> None:
    arguments = ["host", "-c", "nonsense:///", "domstats"]
    assert complete_for_kubectl(build_parser(ask_host), arguments, "") == ":4"
