"""The address with which a browser is started.

Every user of the machine can read the command line of a browser. So a browser starts with an address that works once,
for the same user, and leads to the one with the token.
"""

import hmac
import os
from collections.abc import Callable

from cachemon.web.page_guard import make_token

PREFIX = "open/"


class BrowserEntry:
    """A path that works once.

    Args:
        own_user: uid of this process.
        make: makes its secret part.
    """

    def __init__(self, own_user: Callable[[], int] = os.getuid, make: Callable[[], str] = make_token) -> None:
        self._own_user = own_user
        self.path = f"/{PREFIX}{make()}"
        self._used = False

    def admits(self, path: str, user: Callable[[], int | None]) -> bool:
        """Whether this request may see the token; the next one may not.

        Args:
            path: of the request.
            user: uid of who asks; None where the system does not say.
        """
        if self._used or not hmac.compare_digest(path.encode("ascii"), self.path.encode("ascii")):
            return False
        self._used = True
        return user() in (None, self._own_user())
