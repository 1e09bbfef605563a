"""Which servers' certificates are accepted: the same under every version of Python."""

import ssl


def trusting(authorities: str | None) -> ssl.SSLContext:
    """A client's TLS context that accepts what kubectl and Prometheus accept.

    Python 3.13 also asks for the extensions of RFC 5280, and clusters of years ago have authorities without them
    ("Missing Authority Key Identifier"). Before 3.13 an intermediate authority alone was not enough.

    Args:
        authorities: file in PEM; None for the authorities of the system.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
