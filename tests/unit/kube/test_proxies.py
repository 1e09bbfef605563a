import pytest

from cachemon.kube.proxies import proxy_of_environment


@pytest.mark.parametrize(
    ("server", "no_proxy", "is_used"),
    [
        ("https://10.0.0.1:6443", "", True),
        ("https://10.0.0.1:6443", "10.0.0.1", False),
        ("https://10.0.0.1:6443", "10.0.0.1:6443", False),
        ("https://10.0.0.1:6443", "10.0.0.1:443", True),
        ("https://10.0.0.1", "10.0.0.1:443", False),
        ("https://10.0.0.1", " 10.0.0.0/8 ,x", False),
        ("https://10.0.0.1", "fd00::/8", True),
        ("https://[fd00::1]", "fd00::/8", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", False),
        ("https://[fd00::1]", "fd00::1", False),
        ("https://api.example", "example", False),
        ("https://api.example", ".example", False),
        ("https://api.example", "*.example", False),
        ("https://example", ".example", True),
        ("https://notexample", "example", True),
        ("https://api.example", "API.EXAMPLE", False),
        ("https://api.example", "api.example:443", False),
        ("https://api.example", "api.example:6443", True),
        ("https://10.0.0.1", "0.0.1", True),
        ("https://api.example", "*", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://127.1.2.3:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("https://localhost", "", False),
        ("https://localhost.example", "", True),
        ("https://api.example", ",, ,", True),
    ],
)
def test_no_proxy_means_what_it_means_to_kubectl(server: str, no_proxy: str, *, is_used: bool) -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (proxy_of_environment(server, environment) is not None) == is_used
