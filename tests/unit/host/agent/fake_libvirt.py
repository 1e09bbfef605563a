"""A libvirt daemon that has the domains of a test."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cachemon.libvirt.running import DomainDescription
from cachemon.model.errors import LibvirtUnreachableError
from tests.unit.host.builders import UUID

AWAY = LibvirtUnreachableError("libvirt does not answer; start it")


def fake_domain(name: str, live_xml: bytes | None, uuid: str = UUID) -> DomainDescription:
    return DomainDescription(
        name, uuid, runs=live_xml is not None, persistent=False, live_xml=live_xml, config_xml=None
    )


@dataclass
class FakeLibvirt:
    """A daemon: `all` are its domains; `error` is what every call raises."""

    all: list[DomainDescription] = field(default_factory=list)
    error: Exception | None = None
    lists: int = 0
    opened: int = 0
    closed: int = 0
    notify: Callable[[], None] = lambda: None

    def connect(self) -> "FakeLibvirt":
        self.opened += 1
        if self.error:
            raise self.error
        return self

    def domains(self) -> list[DomainDescription]:
        self.lists += 1
        if self.error:
            raise self.error
        return list(self.all)

    def on_change(self, notify: Callable[[], None]) -> None:
        self.notify = notify

    def close(self) -> None:
        self.closed += 1


@dataclass
class BootingLibvirt(FakeLibvirt):
    """A daemon that accepts no client before `accepts` is set, as at the boot of its host."""

    accepts: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> FakeLibvirt:
        self.accepts.wait()
        return super().connect()
