import ssl
from pathlib import Path

import pytest

from cachemon.kube.trust import trusting
from tests.integration.kubectl.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def shake_hands(client: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """A handshake without a socket; raises what the client finds wrong."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_an_authority_without_key_identifiers_is_trusted_as_kubectl_does(certificates: Certificates) -> None:
    context = trusting(str(certificates.authority))
    shake_hands(context, certificates.server, certificates.server_key)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT  # Python 3.11 and 3.12 never ask for them


def test_the_last_certificate_of_a_chain_need_not_sign_itself(certificates: Certificates) -> None:
    shake_hands(trusting(str(certificates.server)), certificates.server, certificates.server_key)


def test_a_stranger_is_refused(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(trusting(str(certificates.stranger)), certificates.server, certificates.server_key)
