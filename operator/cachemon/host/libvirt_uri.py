"""Which host a libvirt URI names, and how to reach the agent there. Pure."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from shlex import quote
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_URI = "qemu:///system"
DEFAULT_SOCKET = "/run/cachemon/host.sock"

_ELSEWHERE = "that host"
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Safe in a command that people copy."""


class LibvirtHost(NamedTuple):
    """The host that a URI names.

    Attributes:
        is_here: whether it is surely this one: the agent at the usual socket is then the right one.
        host: its name for ssh; `that host` where the URI does not say.
        ssh_options: options that ssh needs, as `-p 2222`.
    """

    is_here: bool
    host: str
    ssh_options: str = ""

    def advice(self, folder: PurePath) -> str:
        """How to reach the agent there.

        Args:
            folder: for the forwarded socket; nobody else may write to it.
        """
        name = re.sub(r"[^A-Za-z0-9.-]", "-", self.host.rpartition("@")[2])
        forwarded = quote(f"{folder}/cachemon-{name}.sock")
        target = "HOST" if self.host == _ELSEWHERE else self.host
        options = f"{self.ssh_options} " if self.ssh_options else ""
        return (
            f"figures and --live groups are with the agent on {self.host}; forward its socket with "
            f"`ssh -fnNT -L {forwarded}:{DEFAULT_SOCKET} {options}{target}`, and add --socket {forwarded}"
        )


def usual_uri(environment: Mapping[str, str]) -> str:
    """The URI where a person gives none: that of the variables of virsh, else the system's."""
    return environment.get("VIRSH_DEFAULT_CONNECT_URI") or environment.get("LIBVIRT_DEFAULT_URI") or DEFAULT_URI


def host_of_uri(uri: str) -> LibvirtHost:
    """The host of a URI, by libvirt's uri.html: `driver[+transport]://[user@][host][:port]/path[?parameters]`.

    An alias of libvirt.conf has no `://`, a socket of one's own may lead anywhere: neither is surely here.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return LibvirtHost(is_here=False, host=_ELSEWHERE)
    if not parts.netloc:
        is_here = "://" in uri and not re.search(r"(^|&)socket=", parts.query)
        return LibvirtHost(is_here=is_here, host="this host" if is_here else _ELSEWHERE)
    host = parts.netloc.rpartition("@")[2]
    if port is not None:
        host = host.rpartition(":")[0]
    if not re.fullmatch(rf"{_WORD}|\[[0-9A-Fa-f:.%]+\]", host):
        return LibvirtHost(is_here=False, host=_ELSEWHERE)
    host = host.strip("[]")
    by_ssh = "ssh" in parts.scheme
    user = parts.username if by_ssh and re.fullmatch(_WORD, parts.username or "") else ""
    options = f"-p {port}" if by_ssh and port is not None else ""
    return LibvirtHost(is_here=False, host=f"{user}@{host}" if user else host, ssh_options=options)
