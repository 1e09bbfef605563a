"""A certificate authority for one test run, and what it signed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER_NAMES = ("localhost", "api.example", "other.example")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority, another one that has signed nothing, a server's and a client's."""

    authority: Path
    stranger: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    common: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName | None,
) -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer == _name(common), path_length=None), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_certificates(folder: Path) -> Certificates:
    """Write all of them."""
    found = Certificates(*(folder / f"{name}.pem" for name in Certificates.__slots__))
    authority, stranger, server, client = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    issuer = _name("authority")
    addresses = [x509.DNSName(name) for name in SERVER_NAMES]
    names = x509.SubjectAlternativeName([*addresses, x509.IPAddress(ip_address("127.0.0.1"))])
    found.authority.write_bytes(_certificate("authority", authority, issuer, authority, None))
    found.stranger.write_bytes(_certificate("stranger", stranger, _name("stranger"), stranger, None))
    found.server.write_bytes(_certificate("server", server, issuer, authority, names))
    found.client.write_bytes(_certificate("jane", client, issuer, authority, None))
    for path, key in ((found.server_key, server), (found.client_key, client)):
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return found
