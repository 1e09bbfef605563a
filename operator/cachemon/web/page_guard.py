"""Who may see the page: the token in the address, and what a browser says about where a request comes from. Pure.

Every user of the machine can connect to a port on loopback, and every web site can have a browser do so. A site's own
name may even resolve to 127.0.0.1 (DNS rebinding): then the browser sends that name as Host.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from cachemon.web.page_request import PageRequest

_TOKEN_BYTES = 32
_LIVE_FIELD = "x-cachemon"  # a page of another origin can't send it without asking first, and nobody answers that


def make_token() -> str:
    """A new secret that can stand in an address: 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class PageGuard:
    """Judges requests.

    Attributes:
        port: where the server listens.
        token: is the first part of the path.
    """

    port: int
    token: str = field(repr=False)

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://127.0.0.1:{self.port}{self.home}"

    @property
    def home(self) -> str:
        """The path of the page."""
        return f"/{self.token}/"

    def is_our_host(self, request: PageRequest) -> bool:
        """Whether the browser thinks that it talks to this server."""
        return request.fields.get("host", "") in self._hosts

    def path_within(self, request: PageRequest) -> str | None:
        """The path after the token; None where the token is wrong."""
        token, _, rest = request.path.removeprefix("/").partition("/")
        return rest if hmac.compare_digest(token.encode("ascii"), self.token.encode("ascii")) else None

    def is_same_origin(self, request: PageRequest) -> bool:
        """Whether the page itself asks for something that changes the cluster."""
        origin = request.fields.get("origin", "")
        return (
            request.fields.get(_LIVE_FIELD) == "live"
            and origin in {f"http://{host}" for host in self._hosts}
            and request.fields.get("sec-fetch-site", "same-origin") == "same-origin"
        )

    @property
    def _hosts(self) -> tuple[str, str]:
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"
