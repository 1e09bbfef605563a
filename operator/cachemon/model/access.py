"""Whether a client may read figures. Pure."""

from enum import StrEnum


class Access(StrEnum):
    """What the API server says of a bearer token."""

    ALLOWED = "Allowed"
    FORBIDDEN = "Forbidden"
    """The token is valid, and its user has no right."""
    UNAUTHENTICATED = "Unauthenticated"
    """The token is not valid."""
