"""A bearer token that is kept in a file, for hosts where no API server says who is who."""

import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path

from cachemon.model.access import Access
from cachemon.model.errors import InvalidInputError

_BELIEVE_SECONDS = 10.0
_SHORTEST = 16


class SecretToken:
    """Judges as `Authorizer` does, by one token: the first line of a file.

    A new token in it is in force ten seconds later. InvalidInputError when the file can't be read, or its token is
    too short to be a secret.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._digest = self._read()
        self._read_at = clock()

    async def judge(self, token: str, peer: str) -> Access | None:
        """Whether the token is this one; `peer` may be anybody."""
        del peer
        now = self._clock()
        if now - self._read_at > _BELIEVE_SECONDS:
            self._read_at = now
            try:
                self._digest = self._read()
            except InvalidInputError:
                return None
        is_it = hmac.compare_digest(_digest(token), self._digest)
        return Access.ALLOWED if is_it else Access.UNAUTHENTICATED

    def _read(self) -> bytes:
        try:
            lines = self._path.read_text(encoding="utf-8").split("\n", 1)
        except (OSError, UnicodeDecodeError) as err:
            raise InvalidInputError(f"no token from {self._path}: {err}") from err
        token = lines[0].strip()
        if len(token) < _SHORTEST:
            raise InvalidInputError(
                f"the token in {self._path} must have at least {_SHORTEST} characters; make one with "
                "`openssl rand -hex 32`"
            )
        return _digest(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
