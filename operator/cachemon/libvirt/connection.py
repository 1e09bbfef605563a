"""A connection to libvirt: describes domains and writes their groups.

Calls block, as libvirt's do: make them in a thread. Thread ids come from /proc: libvirt-python gives none, and raw
QMP taints the domain.
"""

import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any, Self

import libvirt

from cachemon.libvirt.libvirt_failures import call_failure, open_failure
from cachemon.libvirt.metadata import KEY, NAMESPACE, render_metadata
from cachemon.libvirt.running import DomainDescription
from cachemon.model.errors import DomainNotFoundError, InvalidInputError
from cachemon.model.groups import MonitoringGroup
from cachemon.model.numbers import parse_count

_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,  # start, stop, migration, define, undefine, crash
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
)
_RUNS = re.compile(rb"<domain\s[^>]*?\bid='[0-9]+'")
"""The start of a running domain's XML: only a running domain has an id."""
_loop_lock = threading.Lock()
_loop_thread: threading.Thread | None = None
_LOOP_PAUSE_SECONDS = 1.0
_WITH_SSH = re.compile(r"[a-z0-9]+\+ssh://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """When a daemon that hangs counts as gone: after `tries` + 1 silent intervals."""

    interval_seconds: int = 5  # silence before libvirt sends a keep-alive message
    tries: int = 3  # keep-alive messages that may stay without an answer


class Connection:
    """An open connection, made by `open_connection`. It ends with the daemon and does not reconnect.

    Every method may raise LibvirtUnreachableError or LibvirtRefusedError.
    """

    def __init__(self, uri: str, virt: Any) -> None:
        self.uri = uri
        self._virt = virt
        self._callbacks: list[int] = []
        self._has_close_callback = False

    def domains(self) -> tuple[DomainDescription, ...]:
        """All domains, running or not, except those that vanish meanwhile."""
        found = self._call(self._virt.listAllDomains, 0)
        described = []
        for domain in found:
            with suppress(DomainNotFoundError):
                described.append(self._describe(domain))
        return tuple(described)

    def domain(self, named: str) -> DomainDescription:
        """One domain by id, UUID or name, tried in this order, as in virsh; or DomainNotFoundError."""
        return self._describe(self._look_up(named))

    def write_config(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Write all groups of the domain to its configuration; without any the element goes.

        They apply from its next start. InvalidInputError when a group is not valid, or two contradict each other;
        DomainNotFoundError; LibvirtRefusedError e.g. when the domain is transient, or the connection read-only.
        """
        self._write(uuid, groups, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def write_live(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        """Write all groups to the running domain, in the same way; its configuration stays as it is."""
        self._write(uuid, groups, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _write(self, uuid: str, groups: Sequence[MonitoringGroup], affected: int) -> None:
        element = render_metadata(groups) if groups else None
        domain = self._look_up(uuid)
        kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
        self._call(domain.setMetadata, kind, element, KEY, NAMESPACE, affected)

    def on_change(self, notify: Callable[[], None]) -> None:
        """Have `notify` called when domains may have changed and when the connection has ended. Call this once.

        libvirt's thread calls `notify`, often several times for one change. It must not block or use the connection.
        libvirt sends no event when a vCPU is plugged or unplugged: watch QEMU's threads for that.
        """

        def on_event(*_: object) -> None:
            notify()

        for event in _EVENTS:
            self._callbacks.append(self._call(self._virt.domainEventRegisterAny, None, event, on_event, None))
        self._call(self._virt.registerCloseCallback, on_event, None)
        self._has_close_callback = True

    @property
    def is_alive(self) -> bool:
        """Whether the connection is open and libvirt believes the daemon alive."""
        try:
            return bool(self._virt.isAlive() == 1)
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """End the connection and its notifications. A second call does nothing."""
        for callback in self._callbacks:
            with suppress(libvirt.libvirtError):
                self._virt.domainEventDeregisterAny(callback)
        self._callbacks.clear()
        with suppress(libvirt.libvirtError):
            if self._has_close_callback:
                self._virt.unregisterCloseCallback()
            self._has_close_callback = False
        with suppress(libvirt.libvirtError):
            self._virt.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_up(self, named: str) -> Any:
        for look_up, key in self._lookups(named):
            with suppress(DomainNotFoundError):
                return self._call(look_up, key)
        raise DomainNotFoundError(
            f"{self.uri} has no domain {named!r}; list its domains: `virsh -c {quote(self.uri)} list --all`"
        )

    def _lookups(self, named: str) -> list[tuple[Callable[[Any], Any], int | str]]:
        lookups: list[tuple[Callable[[Any], Any], int | str]] = [(self._virt.lookupByName, named)]
        with suppress(ValueError):
            lookups.insert(0, (self._virt.lookupByUUIDString, str(uuid.UUID(named))))
        number = parse_count(named)
        if number is not None and number < 2**31:
            lookups.insert(0, (self._virt.lookupByID, number))
        return lookups

    def _describe(self, domain: Any) -> DomainDescription:
        persistent = self._call(domain.isPersistent) == 1
        # Before the configuration: if the domain starts in between, this one call still gives a consistent answer.
        now = self._xml_of(domain, 0)
        runs = _RUNS.match(now) is not None
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
        config = self._xml_of(domain, inactive) if persistent else None
        return DomainDescription(
            name=domain.name(),
            uuid=domain.UUIDString(),
            runs=runs,
            persistent=persistent,
            live_xml=now if runs else None,
            config_xml=config,
        )

    def _xml_of(self, domain: Any, flags: int) -> bytes:
        """UTF-8. libvirt keeps a title or description in whatever encoding it was set (virsh desc --title).

        libvirt-python can't return such XML, but its exception has all of it.
        """
        try:
            return bytes(self._call(domain.XMLDesc, flags).encode())
        except UnicodeDecodeError as err:
            return err.object.decode(errors="replace").encode()

    def _call(self, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return call(*arguments)
        except libvirt.libvirtError as err:
            raise call_failure(self.uri, err) from err


def open_connection(uri: str, *, read_only: bool = False, keep_alive: KeepAlive = KeepAlive()) -> Connection:
    """Connect to a libvirt daemon, at `qemu:///system` or `qemu+ssh://host/system`; never prompts on a terminal.

    This waits for a daemon that hangs until it continues or ends: libvirt has no time limit here. `keep_alive` says
    when one that hangs later counts as gone, and calls that wait for it fail.

    Raises:
        InvalidInputError: the URI is not valid.
        LibvirtUnreachableError: no daemon answers.
        LibvirtRefusedError: access is denied.
    """
    _run_event_loop()
    opening = libvirt.openReadOnly if read_only else libvirt.open
    try:
        virt = opening(without_prompts(uri))
    except libvirt.libvirtError as err:
        raise open_failure(uri, err) from err
    with suppress(libvirt.libvirtError):  # a driver without a daemon has no keep-alive
        virt.setKeepAlive(keep_alive.interval_seconds, keep_alive.tries)
    return Connection(uri, virt)


def _run_event_loop() -> None:
    """Start libvirt's event loop, if it does not run yet; the first connection needs it.

    One thread of the process delivers events and answers keep-alive messages. From then on libvirt prints nothing on
    stderr: errors come from the calls alone.
    """
    global _loop_thread  # noqa: PLW0603  # libvirt has one loop per process
    with _loop_lock:
        if _loop_thread is None:
            libvirt.registerErrorHandler(lambda *_: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _loop_thread = threading.Thread(target=_deliver_events, name="libvirt-events", daemon=True)
            _loop_thread.start()


def _deliver_events() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:  # poll() failed for want of memory
            time.sleep(_LOOP_PAUSE_SECONDS)


def without_prompts(uri: str) -> str:
    """The URI with `no_tty=1` where ssh would prompt for a password or a host key (libvirt's uri.html)."""
    if not uri.strip():
        raise InvalidInputError("the URI must not be empty; for this host use qemu:///system")
    if not _WITH_SSH.match(uri) or "no_tty=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}no_tty=1"
