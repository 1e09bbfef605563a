"""The proxy that the environment names for a server, as kubectl takes it (golang.org/x/net/http/httpproxy). Pure.

aiohttp's `trust_env` knows no networks, would look there at every request, and takes ~/.netrc too.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from cachemon.model.errors import InvalidInputError

_PORTS = {"http": 80, "https": 443}


def proxy_of_environment(server: str, environment: Mapping[str, str]) -> str | None:
    """URL of the proxy for a server, or None: HTTPS_PROXY or HTTP_PROXY, and NO_PROXY; capitals before small letters.

    A server on loopback has none.
    """
    address = urlsplit(server)
    host, port = (address.hostname or "").rstrip("."), address.port or _PORTS.get(address.scheme, 0)
    proxy = _value_of(environment, f"{address.scheme}_proxy")
    if not proxy or _is_loopback(host):
        return None
    if any(_excepts(item.strip().lower(), host, port) for item in _value_of(environment, "no_proxy").split(",")):
        return None
    return check_proxy(proxy if "://" in proxy else f"http://{proxy}")


def check_proxy(url: str) -> str:
    """The URL; InvalidInputError when it is of a kind that aiohttp can't use."""
    if urlsplit(url).scheme not in _PORTS:
        raise InvalidInputError(
            f"the proxy {url.partition('@')[2] or url} is neither http:// nor https://, which are all that agent and "
            "operator can use: name such a proxy, or except the API server with NO_PROXY"
        )
    return url


def _value_of(environment: Mapping[str, str], variable: str) -> str:
    return environment.get(variable.upper()) or environment.get(variable, "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _excepts(item: str, host: str, port: int) -> bool:
    """Whether an item of NO_PROXY is for a server."""
    if item == "*":
        return True
    if not item:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(item, strict=False)
    except ValueError:
        pass
    name, _, digits = item.rpartition(":") if item.count(":") == 1 or item.startswith("[") else (item, "", "")
    if digits and digits != str(port):
        return False
    name = name.strip("[]").removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return host == name or (not _is_address(host) and host.endswith(f".{name}"))


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()
