"""The certificates that a program serves with, by real handshakes over memory."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cachemon.daemon.self_signed import make_certificate
from cachemon.daemon.tls import FileCertificate, OwnCertificate
from cachemon.model.errors import InvalidInputError
from tests.unit.eventually import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(folder: Path, name: str) -> None:
    key, begin, certificate = make_certificate([name], NOW).partition(b"-----BEGIN CERTIFICATE")
    (folder / "tls.key").write_bytes(key)
    (folder / "tls.crt").write_bytes(begin + certificate)


def shake_hands(server: ssl.SSLContext, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """The certificate that a client gets."""
    client = ssl._create_unverified_context()
    client.maximum_version = newest
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname="x")
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs.getpeercert(binary_form=True) or b""


def test_a_renewed_pair_of_files_is_served_and_half_a_pair_is_not(tmp_path: Path) -> None:
    write(tmp_path, "first.example.com")

    async def story() -> None:
        certificate = FileCertificate(tmp_path, check_seconds=0.001)
        await certificate.prepare()
        first = certificate.context()
        keeping = asyncio.create_task(certificate.keep())
        write(tmp_path, "second.example.com")
        await eventually("the second", lambda: b"second.example.com" in shake_hands(certificate.context()))
        assert b"first.example.com" in shake_hands(first)
        second = certificate.context()
        (tmp_path / "tls.crt").write_text("half")
        await asyncio.sleep(0.05)
        assert certificate.context() is second
        (tmp_path / "tls.key").unlink()
        await asyncio.sleep(0.05)
        write(tmp_path, "third.example.com")
        await eventually("the third", lambda: b"third.example.com" in shake_hands(certificate.context()))
        keeping.cancel()

    asyncio.run(story())


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key"])
def test_files_that_are_not_valid_at_the_start_are_the_settings_fault(tmp_path: Path, broken: str) -> None:
    write(tmp_path, "first.example.com")
    (tmp_path / broken).write_text("nonsense")
    with pytest.raises(InvalidInputError, match=f"no certificate from {tmp_path}"):
        asyncio.run(FileCertificate(tmp_path).prepare())
    (tmp_path / broken).unlink()
    with pytest.raises(InvalidInputError, match=f"no certificate from {tmp_path}"):
        asyncio.run(FileCertificate(tmp_path).prepare())


def test_a_program_makes_a_certificate_for_itself_and_leaves_no_file() -> None:
    async def story() -> None:
        certificate = OwnCertificate()
        await certificate.prepare()
        assert b"localhost" in shake_hands(certificate.context())

    asyncio.run(story())


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "first.example.com")
    certificate = FileCertificate(tmp_path)
    asyncio.run(certificate.prepare())
    assert shake_hands(certificate.context(), ssl.TLSVersion.TLSv1_2)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(ssl.SSLError):
        shake_hands(certificate.context(), ssl.TLSVersion.TLSv1_1)


def test_what_can_not_be_made_says_why() -> None:
    async def fail() -> bytes:
        raise OSError("no process")

    with pytest.raises(InvalidInputError, match="no process"):
        asyncio.run(OwnCertificate(fail).prepare())
