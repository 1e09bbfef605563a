"""The running domains as libvirt keeps them for its own restart: NAME.xml in its state directory.

A daemon accepts no client before it has started every domain that is marked for autostart (daemonRunStateInit in
src/remote/remote_daemon.c). Its files have the domains meanwhile. libvirt writes the file of a domain before the
process becomes QEMU ("Writing early domain status to disk", qemuProcessLaunch in src/qemu/qemu_process.c), and lets
the guest run later. It replaces a file as a whole, and removes it at the end.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from cachemon.libvirt.running import DomainDescription
from cachemon.libvirt.xml_document import LARGEST_DOCUMENT_BYTES, read_document
from cachemon.model.errors import InvalidInputError, LibvirtRefusedError


class _StatusFile(NamedTuple):
    """A file that was read; the first three differ when it was replaced."""

    inode: int
    modified_ns: int
    size: int
    domain: DomainDescription


class StatusFiles:
    """The files of one state directory: a `DomainSource`.

    Args:
        directory: `/run/libvirt/qemu`; of a session `$XDG_RUNTIME_DIR/libvirt/qemu/run`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[Path, _StatusFile] = {}

    def domains(self) -> tuple[DomainDescription, ...]:
        """The running domains; none where there is no such directory.

        Raises:
            InvalidInputError: a file is not what libvirt writes.
            LibvirtRefusedError: the directory or a file can't be read.
        """
        try:
            paths = [path for path in self._directory.iterdir() if path.suffix == ".xml"]
            self._known = {path: file for path in sorted(paths) if (file := self._read(path))}
        except FileNotFoundError:
            self._known = {}
        except OSError as err:
            raise LibvirtRefusedError(f"{err.filename} can't be read: {err.strerror}") from err
        return tuple(file.domain for file in self._known.values())

    def on_change(self, notify: Callable[[], None]) -> None:
        """Never calls it: list again instead."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(self, path: Path) -> _StatusFile | None:
        """A file's content, parsed when it has changed; None for a file that has gone."""
        known = self._known.get(path)
        try:
            stat = path.stat()
            version = stat.st_ino, stat.st_mtime_ns, stat.st_size
            if known and known[:3] == version:
                return known
            with path.open("rb") as file:
                content = file.read(LARGEST_DOCUMENT_BYTES + 1)
        except FileNotFoundError:
            return None
        try:
            return _StatusFile(*version, parse_status(content))
        except InvalidInputError as err:
            raise InvalidInputError(f"{path}: {err}") from err


def parse_status(content: bytes) -> DomainDescription:
    """The domain of a status file, without its devices: there stand passwords, of displays for example.

    `<domstatus state='running' reason='booted' pid='195139'>...<domain type='kvm' id='1'>...</domain></domstatus>`

    Raises:
        InvalidInputError: there is no domain with a name and a UUID in it.
    """
    domain = read_document(content).find("domain")
    name, uuid = (None, None) if domain is None else (domain.findtext("name"), domain.findtext("uuid"))
    if domain is None or not name or not uuid:
        raise InvalidInputError("it has no <domain> with a <name> and a <uuid>, as libvirt's status files have")
    for devices in domain.findall("devices"):
        domain.remove(devices)
    live_xml = etree.tostring(domain, encoding="utf-8", with_tail=False)
    return DomainDescription(name, uuid, runs=True, persistent=False, live_xml=live_xml, config_xml=None)
