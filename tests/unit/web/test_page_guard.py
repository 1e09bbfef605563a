import pytest

from cachemon.web.page_guard import PageGuard, make_token
from cachemon.web.page_request import PageRequest

GUARD = PageGuard(8080, "secret")


def request(path: str = "/", **fields: str) -> PageRequest:
    return PageRequest("GET", path, {}, {name.replace("_", "-"): value for name, value in fields.items()})


def test_a_token_has_256_random_bits() -> None:
    assert len(make_token()) == 43
    assert make_token() != make_token()


def test_the_token_is_in_the_address_and_not_in_logs() -> None:
    assert GUARD.address == "http://127.0.0.1:8080/secret/"
    assert "secret" not in repr(GUARD)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080"])
def test_the_servers_own_names_are_its_host(host: str) -> None:
    assert GUARD.is_our_host(request(host=host))


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8080", "localhost:8080.evil.example"]
)
def test_a_name_that_resolves_to_loopback_is_not(host: str) -> None:
    assert not GUARD.is_our_host(request(host=host))


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("/secret/", ""),
        ("/secret", ""),
        ("/secret/a/b.js", "a/b.js"),
        ("/secretx/", None),
        ("/", None),
        ("//secret/", None),
    ],
)
def test_only_paths_with_the_token_lead_anywhere(path: str, within: str | None) -> None:
    assert GUARD.path_within(request(path)) == within


def asking(origin: str = "http://127.0.0.1:8080", marker: str = "live", site: str = "same-origin") -> PageRequest:
    return request(origin=origin, x_cachemon=marker, sec_fetch_site=site)


def test_the_page_itself_may_change_something() -> None:
    assert GUARD.is_same_origin(asking())
    assert GUARD.is_same_origin(request(origin="http://localhost:8080", x_cachemon="live"))


@pytest.mark.parametrize(
    "other",
    [
        asking(origin="http://evil.example"),
        asking(origin="null"),
        asking(origin="http://127.0.0.1:9090"),
        asking(marker=""),
        asking(site="cross-site"),
        asking(site="same-site"),
        request(x_cachemon="live"),
    ],
)
def test_another_site_may_not(other: PageRequest) -> None:
    assert not GUARD.is_same_origin(other)
