"""A connection to libvirt: what it says of domains, and the groups that it keeps for them.

Calls block, as libvirt's do; call them from a thread. libvirt-python gives no thread ids (only raw QMP would, which
taints the domain): which threads a domain has is read from /proc.
"""

import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import libvirt

from cachemon.libvirt import event_loop
from cachemon.libvirt.libvirt_failures import of_a_call, of_opening
from cachemon.libvirt.metadata import KEY, NAMESPACE, render_metadata
from cachemon.model.errors import DomainNotFoundError, InvalidInputError
from cachemon.model.groups import MonitoringGroup
from cachemon.model.numbers import parse_count

__all__ = ["TWENTY_SECONDS", "Connection", "Domain", "KeepAlive", "open_connection"]

_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,  # start, stop, migration, define, undefine, crash
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
)
_RUNS = re.compile(rb"<domain\s[^>]*?\bid='[0-9]+'")
"""How the XML of a domain that runs begins: libvirt gives it an id."""
_WITH_SSH = re.compile(r"[a-z0-9]+\+ssh://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """When a daemon that hangs counts as gone: after `tries` silent intervals and one more.

    Attributes:
        interval_seconds: of silence, before the daemon is asked for a sign of life.
        tries: how many signs of life may fail to come.
    """

    interval_seconds: int = 5
    tries: int = 3


TWENTY_SECONDS = KeepAlive()


@dataclass(frozen=True, slots=True)
class Domain:
    """What libvirt says of a domain at one moment.

    Attributes:
        name: unique on the host; it can be changed while the domain is not running.
        uuid: lower case with dashes.
        runs: whether it has a QEMU, be the guest paused.
        persistent: whether it stays defined when it ends.
        live_xml: the running domain; None when it does not run.
        config_xml: what it is started from; None for a transient domain.
    """

    name: str
    uuid: str
    runs: bool
    persistent: bool
    live_xml: bytes | None
    config_xml: bytes | None


class Connection:
    """An open connection; `open_connection` makes one. It ends with the daemon and does not come back by itself."""

    def __init__(self, uri: str, virt: Any) -> None:
        self.uri = uri
        self._virt = virt
        self._callbacks: list[int] = []
        self._tells_of_its_end = False

    def domains(self) -> tuple[Domain, ...]:
        """All domains, running or not; one that vanishes meanwhile is left out.

        Raises:
            LibvirtUnreachableError, LibvirtRefusedError.
        """
        found = self._call(self._virt.listAllDomains, 0)
        described = []
        for domain in found:
            with suppress(DomainNotFoundError):
                described.append(self._described(domain))
        return tuple(described)

    def domain(self, named: str) -> Domain:
        """One domain, by id, UUID or name; they are tried in this order, as virsh does.

        Raises:
            DomainNotFoundError, LibvirtUnreachableError, LibvirtRefusedError.
        """
        return self._described(self._found(named))

    def write_config(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Keep these groups in the domain's configuration; it has them from its next start.

        Args:
            uuid: of the domain.
            groups: all that it should have; none removes the element.

        Raises:
            InvalidInputError: a group is not valid, or two contradict each other.
            DomainNotFoundError, LibvirtUnreachableError.
            LibvirtRefusedError: e.g. the domain is transient, or the connection is read-only.
        """
        self._write(uuid, groups, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def write_live(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Let these groups be those that the running domain has from its configuration; that stays as it is.

        Args:
            uuid: of the domain.
            groups: all that it should have; none removes the element.

        Raises:
            InvalidInputError, DomainNotFoundError, LibvirtUnreachableError: as above.
            LibvirtRefusedError: e.g. the domain does not run, or the connection is read-only.
        """
        self._write(uuid, groups, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _write(self, uuid: str, groups: Sequence[MonitoringGroup], affected: int) -> None:
        element = render_metadata(groups) if groups else None
        domain = self._found(uuid)
        kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
        self._call(domain.setMetadata, kind, element, KEY, NAMESPACE, affected)

    def on_change(self, told: Callable[[], None]) -> None:
        """Have `told` called when domains may have changed, and when the connection has ended. Once for a connection.

        It is called from libvirt's thread, often several times for one change, and must not block or use the
        connection. No event tells of a vCPU that is plugged or unplugged: QEMU's threads do.

        Raises:
            LibvirtUnreachableError, LibvirtRefusedError.
        """

        def tell(*_: object) -> None:
            told()

        for event in _EVENTS:
            self._callbacks.append(self._call(self._virt.domainEventRegisterAny, None, event, tell, None))
        self._call(self._virt.registerCloseCallback, tell, None)
        self._tells_of_its_end = True

    @property
    def is_alive(self) -> bool:
        """Whether it was not closed and, as far as is known, the daemon is there."""
        try:
            return bool(self._virt.isAlive() == 1)
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """End it; nothing is told afterwards. Does nothing the second time."""
        for callback in self._callbacks:
            with suppress(libvirt.libvirtError):
                self._virt.domainEventDeregisterAny(callback)
        self._callbacks.clear()
        with suppress(libvirt.libvirtError):
            if self._tells_of_its_end:
                self._virt.unregisterCloseCallback()
            self._tells_of_its_end = False
        with suppress(libvirt.libvirtError):
            self._virt.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _found(self, named: str) -> Any:
        for look_up, key in self._ways(named):
            with suppress(DomainNotFoundError):
                return self._call(look_up, key)
        raise DomainNotFoundError(
            f"{self.uri} has no domain {named!r}; those that there are: virsh --connect '{self.uri}' list --all"
        )

    def _ways(self, named: str) -> list[tuple[Callable[[Any], Any], int | str]]:
        ways: list[tuple[Callable[[Any], Any], int | str]] = [(self._virt.lookupByName, named)]
        with suppress(ValueError):
            ways.insert(0, (self._virt.lookupByUUIDString, str(uuid.UUID(named))))
        number = parse_count(named)
        if number is not None and number < 2**31:
            ways.insert(0, (self._virt.lookupByID, number))
        return ways

    def _described(self, domain: Any) -> Domain:
        persistent = self._call(domain.isPersistent) == 1
        # Asked before the configuration: of a domain that starts in between this one call tells both.
        now = self._call(domain.XMLDesc, 0).encode()
        runs = _RUNS.match(now) is not None
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
        config = self._call(domain.XMLDesc, inactive).encode() if persistent else None
        return Domain(
            name=domain.name(),
            uuid=domain.UUIDString(),
            runs=runs,
            persistent=persistent,
            live_xml=now if runs else None,
            config_xml=config,
        )

    def _call(self, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return call(*arguments)
        except libvirt.libvirtError as err:
            raise of_a_call(self.uri, err) from err


def open_connection(uri: str, *, read_only: bool = False, keep_alive: KeepAlive = TWENTY_SECONDS) -> Connection:
    """Connect to a libvirt daemon; nothing is ever asked on a terminal.

    A daemon that hangs keeps this waiting until it goes on or ends: libvirt knows no time limit here.

    Args:
        uri: as `qemu:///system`, `qemu+ssh://host/system`.
        read_only: by the socket for everybody, where there is one.
        keep_alive: when a daemon that hangs later counts as gone; calls that wait for it fail then.

    Raises:
        InvalidInputError: the URI is not valid.
        LibvirtUnreachableError: nobody answers there.
        LibvirtRefusedError: no right.
    """
    event_loop.run()
    opening = libvirt.openReadOnly if read_only else libvirt.open
    try:
        virt = opening(without_questions(uri))
    except libvirt.libvirtError as err:
        raise of_opening(uri, err) from err
    with suppress(libvirt.libvirtError):  # a driver without a daemon has nothing to keep alive
        virt.setKeepAlive(keep_alive.interval_seconds, keep_alive.tries)
    return Connection(uri, virt)


def without_questions(uri: str) -> str:
    """The URI with `no_tty=1` where ssh would ask for a password or about a host key (libvirt's uri.html)."""
    if not uri.strip():
        raise InvalidInputError("the URI must not be empty; a host's own is qemu:///system")
    if not _WITH_SSH.match(uri) or "no_tty=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}no_tty=1"
