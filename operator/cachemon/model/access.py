"""Whether somebody may read figures. Pure."""

from enum import StrEnum

__all__ = ["Access"]


class Access(StrEnum):
    """What the API server says of a bearer token."""

    ALLOWED = "Allowed"
    FORBIDDEN = "Forbidden"
    """It knows the token, and its user has no right."""
    UNAUTHENTICATED = "Unauthenticated"
    """It does not know the token."""
