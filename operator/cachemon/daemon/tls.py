"""The certificate that a program serves with: from files that somebody renews, or self-signed.

A new certificate takes effect at the next handshake, without a restart. It gets a context of its own: a context keeps
one certificate for each type of key (OpenSSL's SSL_CTX_use_certificate), so an old RSA one would be served beside a
new ECDSA one.
"""

import asyncio
import logging
import os
import socket
import ssl
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path

from cachemon.model.errors import InvalidInputError

log = logging.getLogger(__name__)

_MAKE_SECONDS = 60.0
_RENEW_SECONDS = 180 * 86400.0  # half of what `self_signed.VALID_DAYS` gives
_TRY_AGAIN_SECONDS = 3600.0

_Version = tuple[tuple[int, int, int], ...]


class Certificate(ABC):
    """The certificate of a server."""

    _context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """For the next handshake, with the newest certificate."""
        assert self._context is not None, "prepare() comes first"
        return self._context

    @abstractmethod
    async def prepare(self) -> None:
        """Load or make the first certificate; InvalidInputError when that fails."""

    @abstractmethod
    async def keep(self) -> None:
        """Renew it until cancelled; what can't be used leaves the last valid one in use."""


class FileCertificate(Certificate):
    """`tls.crt` and `tls.key` of a folder, as a mounted Secret of type kubernetes.io/tls has them."""

    def __init__(self, folder: Path, *, check_seconds: float = 10.0) -> None:
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._check_seconds = check_seconds
        self._version: _Version = ()

    async def prepare(self) -> None:
        """Load the files."""
        try:
            self._load(self._version_of_files())
        except (OSError, ssl.SSLError) as err:
            raise InvalidInputError(f"no certificate from {self._files[0].parent}: {err}") from err

    async def keep(self) -> None:
        """Load changed files."""
        refused: _Version = self._version
        while True:
            await asyncio.sleep(self._check_seconds)
            try:
                version = self._version_of_files()
                if version not in (self._version, refused):
                    refused = version
                    self._load(version)
                    log.info("serving with the renewed certificate of %s", self._files[0].parent)
            except (OSError, ssl.SSLError) as err:
                log.warning("keeping the last valid certificate; %s: %s", self._files[0].parent, err)

    def _load(self, version: _Version) -> None:
        context = _new_context()
        context.load_cert_chain(*self._files)
        self._context, self._version = context, version

    def _version_of_files(self) -> _Version:
        """The kubelet replaces a link, others rewrite files: both change one of these."""
        found = [file.stat() for file in self._files]
        return tuple((it.st_ino, it.st_mtime_ns, it.st_size) for it in found)


async def _make() -> bytes:
    """Key and certificate in PEM, by a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "cachemon.daemon.self_signed", socket.gethostname(), "localhost"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_MAKE_SECONDS):
            pem, complaint = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise InvalidInputError(f"no certificate could be made: {last}")
    return pem


class OwnCertificate(Certificate):
    """A self-signed certificate, key and certificate in PEM; it is renewed long before it expires."""

    def __init__(
        self, make: Callable[[], Awaitable[bytes]] = _make, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._clock = clock
        self._made_at = clock()

    async def prepare(self) -> None:
        """Make one."""
        try:
            self._load(await self._make())
        except (OSError, ssl.SSLError, TimeoutError) as err:
            raise InvalidInputError(f"no certificate could be made: {str(err) or 'it took too long'}") from err

    async def keep(self) -> None:
        """Make a new one in time."""
        while True:
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
            if self._clock() - self._made_at < _RENEW_SECONDS:
                continue
            try:
                await self.prepare()
                log.info("serving with a new self-signed certificate")
            except InvalidInputError as err:
                log.warning("keeping the last valid certificate: %s", err)

    def _load(self, pem: bytes) -> None:
        """By an anonymous file: ssl loads keys from paths alone, and the root may be read-only."""
        context = _new_context()
        file = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            os.write(file, pem)
            context.load_cert_chain(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        self._context, self._made_at = context, self._clock()


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
