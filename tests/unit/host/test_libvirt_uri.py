from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.libvirt_uri import LibvirtHost, host_of_uri

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
