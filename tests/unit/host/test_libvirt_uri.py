import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.commands.host_session import open_session
from cachemon.host.libvirt_uri import DEFAULT_URI, LibvirtHost, host_of_uri, usual_uri

OWN = Path("/run/user/7")


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu:///session", "qemu+unix:///system", "test:///default"])
def test_a_uri_without_a_host_is_this_host(uri: str) -> None:
    assert host_of_uri(uri).is_here


@pytest.mark.parametrize(
    ("uri", "host", "options"),
    [
        ("qemu+ssh://node7/system", "node7", ""),
        ("qemu+ssh://root@node7.example.org/system", "root@node7.example.org", ""),
        ("qemu+ssh://root@node7:2222/system?keyfile=/k", "root@node7", "-p 2222"),
        ("qemu+libssh2://node7/system", "node7", ""),
        ("qemu+tls://node7:16514/system", "node7", ""),
        ("qemu+tcp://localhost/system", "localhost", ""),
        ("qemu+tcp://[fd00::7]:16509/system", "fd00::7", ""),
        ("qemu+unix:///system?socket=/tmp/forwarded", "that host", ""),
        ("hv7", "that host", ""),
        ("qemu+ssh://node7:port/system", "that host", ""),
        ("qemu+ssh://-oProxyCommand=x/system", "that host", ""),
        ("qemu+ssh://node7;reboot/system", "that host", ""),
    ],
)
def test_any_other_uri_may_be_another_host(uri: str, host: str, options: str) -> None:
    assert host_of_uri(uri) == LibvirtHost(is_here=False, host=host, ssh_options=options)


def test_the_advice_can_be_copied_to_a_shell() -> None:
    assert (
        "`ssh -fnNT -L /run/user/7/cachemon-node7.sock:/run/cachemon/host.sock -p 2222 root@node7`, and add --socket "
        in host_of_uri("qemu+ssh://root@node7:2222/system").advice(OWN)
    )
    assert "/host.sock HOST`" in host_of_uri("hv7").advice(OWN)


@given(st.text(max_size=40) | st.text(max_size=30).map("qemu+ssh://{}/system".format))
def test_no_uri_makes_it_stumble_or_write_a_shell_command_of_its_own(uri: str) -> None:
    assert not set(host_of_uri(uri).advice(OWN).split("`")[1]) & set("$;&|<>()'\"\\\n")


@pytest.mark.parametrize(
    ("environment", "uri"),
    [
        ({}, DEFAULT_URI),
        ({"LIBVIRT_DEFAULT_URI": ""}, DEFAULT_URI),
        ({"LIBVIRT_DEFAULT_URI": "qemu+ssh://far/system"}, "qemu+ssh://far/system"),
        ({"LIBVIRT_DEFAULT_URI": "qemu+ssh://far/system", "VIRSH_DEFAULT_CONNECT_URI": "hv7"}, "hv7"),
    ],
)
def test_the_usual_uri_is_that_of_virsh(environment: dict[str, str], uri: str) -> None:
    assert usual_uri(environment) == uri


@pytest.mark.parametrize(
    ("given_uri", "uri", "virsh"), [(None, "hv7", "virsh"), (DEFAULT_URI, DEFAULT_URI, f"virsh -c {DEFAULT_URI}")]
)
def test_commands_that_are_advised_are_for_the_host_that_was_asked(
    given_uri: str | None, uri: str, virsh: str
) -> None:
    async def story() -> None:
        async with open_session(given_uri, None, {"LIBVIRT_DEFAULT_URI": "hv7"}) as session:
            assert (session.uri, session.virsh) == (uri, virsh)
            assert session.program == virsh.replace("virsh", "cachemon host")

    asyncio.run(story())
