import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon.kube.login import TokenFile, load_credentials, pod_credentials
from cachemon.model.errors import InvalidInputError

CONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
"""


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "config").write_text(CONFIG)
        credentials = await load_credentials(tmp_path / "config")
        assert credentials.server == "http://127.0.0.1:1"
        assert await credentials.bearer_token() == "abc"
        assert credentials.client_certificate is None

    asyncio.run(story())


def test_a_kubeconfig_may_name_the_certificates_host_and_may_forgo_it(tmp_path: Path) -> None:
    async def story() -> None:
        more = '"https://127.0.0.1:1", tls-server-name: api, insecure-skip-tls-verify: true, proxy-url: "http://p:2"'
        (tmp_path / "config").write_text(CONFIG.replace('"http://127.0.0.1:1"', more))
        credentials = await load_credentials(tmp_path / "config")
        assert (credentials.verifies, credentials.server_name, credentials.proxy) == (False, "api", "http://p:2")

    asyncio.run(story())


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "text",
        "{",
        CONFIG.replace("here", "there", 1),
        CONFIG.replace("here", "null", 1),
        "current-context: here",
        CONFIG.replace(", user: {token: abc}", ""),
        CONFIG.replace(", context: {cluster: c, user: u}", ""),
    ],
)
def test_a_kubeconfig_that_cant_be_used_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "my-kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInputError, match="my-kubeconfig"):
        asyncio.run(load_credentials(path))


IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text("PEM")
    return tmp_path


def test_in_a_pod_the_kubelet_says_where_the_server_is_and_who_we_are(service_account: Path) -> None:
    async def story() -> None:
        credentials = pod_credentials(IN_A_POD, service_account)
        assert credentials.server == "https://10.96.0.1:443"
        assert credentials.ca_file == str(service_account / "ca.crt")
        assert await credentials.bearer_token() == "first"

    asyncio.run(story())


def test_a_server_with_an_ipv6_address_has_it_in_brackets(service_account: Path) -> None:
    assert pod_credentials(IN_A_POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, service_account).server == (
        "https://[fd00::1]:443"
    )


def test_a_renewed_token_is_used_within_a_minute_and_a_lost_one_is_kept(service_account: Path) -> None:
    now = 0.0
    path = service_account / "token"
    token = TokenFile(path, clock=lambda: now)

    async def story() -> None:
        nonlocal now
        assert await token() == "first"
        path.write_text("second")
        now = 59.0
        assert await token() == "first"
        now = 60.0
        assert await token() == "second"
        path.unlink()
        now = 120.0
        assert await token() == "second"
        path.write_text("third")
        now = 121.0
        assert await token() == "third"

    asyncio.run(story())


PROXY = {"HTTPS_PROXY": "http://user:secret@p:3128"}


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        (PROXY, "http://user:secret@p:3128"),
        (PROXY | {"https_proxy": "http://q:1"}, "http://user:secret@p:3128"),
        ({"https_proxy": "http://q:1"}, "http://q:1"),
        ({"HTTPS_PROXY": "q:1"}, "http://q:1"),
        (PROXY | {"NO_PROXY": "10.96.0.0/12"}, None),
        (PROXY | {"NO_PROXY": "10.112.0.0/12"}, "http://user:secret@p:3128"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        (PROXY | {"NO_PROXY": "localhost, 10.96.0.1"}, None),
        (PROXY | {"no_proxy": "*"}, None),
        (PROXY | {"NO_PROXY": ".svc,10.96.0.2"}, "http://user:secret@p:3128"),
    ],
)
def test_the_environments_proxy_is_used_unless_the_server_is_excepted(
    service_account: Path, environment: dict[str, str], proxy: str | None
) -> None:
    assert pod_credentials(IN_A_POD | environment, service_account).proxy == proxy


def test_a_kubeconfigs_proxy_wins_over_the_environments(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(CONFIG.replace('"http://127.0.0.1:1"', '"https://10.0.0.1:1"'))
    environment = {"HTTPS_PROXY": "http://p:1"}
    assert asyncio.run(load_credentials(path, environment=environment)).proxy == "http://p:1"
    path.write_text(CONFIG.replace('"http://127.0.0.1:1"', '"https://10.0.0.1:1", proxy-url: "http://q:2"'))
    assert asyncio.run(load_credentials(path, environment=environment)).proxy == "http://q:2"


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_its_service_account_gets_an_error(service_account: Path, missing: str) -> None:
    (service_account / missing).unlink()
    with pytest.raises(InvalidInputError, match=missing):
        pod_credentials(IN_A_POD, service_account)


def test_outside_of_a_pod_a_kubeconfig_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--kubeconfig"):
        pod_credentials({}, tmp_path)


def test_a_program_in_a_pod_does_not_load_what_reads_kubeconfigs() -> None:
    program = "import sys, cachemon.agent.node_process; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("{token: abc, as: viewer}", "as of user 'u' is not supported"),
        ("{token: abc, as: viewer, as-groups: [a]}", "as, as-groups of user 'u'"),
        ("{exec: {command: ./bin/login}}", "exec.command bin/login of user 'u' is relative: give its absolute path"),
        ("{exec: {command: x, provideClusterInfo: true}}", r"exec\.provideClusterInfo of user 'u'"),
    ],
)
def test_a_user_that_would_be_somebody_else_is_refused(user: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG.replace("{token: abc}", user))
    with pytest.raises(InvalidInputError, match=named):
        asyncio.run(load_credentials(tmp_path / "config"))


def test_a_proxy_that_can_not_be_used_is_refused_without_its_password(service_account: Path) -> None:
    environment = IN_A_POD | {"HTTPS_PROXY": "socks5://jane:secret@p:1080"}
    with pytest.raises(InvalidInputError, match="the proxy p:1080 is neither http:// nor https://") as refused:
        pod_credentials(environment, service_account)
    assert "secret" not in str(refused.value)


def test_a_token_of_a_plugin_is_asked_for_again_when_the_server_refuses_it(tmp_path: Path) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(
        f"""#!/bin/sh
n=$(cat {tmp_path}/asked 2>/dev/null || echo 0)
echo $((n + 1)) > {tmp_path}/asked
printf '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
printf '"status": {{"token": "t%s"}}}}' $n
"""
    )
    plugin.chmod(0o755)
    user = f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin}, interactiveMode: Never}}}}"
    (tmp_path / "config").write_text(CONFIG.replace("{token: abc}", user))

    async def story() -> None:
        credentials = await load_credentials(tmp_path / "config")
        assert [await credentials.bearer_token() for _ in range(2)] == ["t0", "t0"]
        credentials.renew()
        assert [await credentials.bearer_token() for _ in range(2)] == ["t1", "t1"]

    asyncio.run(story())


def test_the_line_feed_at_the_end_of_a_token_file_is_no_part_of_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "config").write_text(CONFIG.replace("token: abc", "tokenFile: token"))

    async def story() -> None:
        credentials = await load_credentials(tmp_path / "config")
        assert await credentials.bearer_token() == "abc"

    asyncio.run(story())


@pytest.mark.parametrize("script", ["exit 1", "echo '{}'", """echo '{"status": {}}'"""])
def test_a_plugin_that_gives_nothing_is_refused_and_nobody_logs_in_without_a_name(
    tmp_path: Path, script: str
) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    user = f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin}, interactiveMode: Never}}}}"
    (tmp_path / "config").write_text(CONFIG.replace("{token: abc}", user))
    with pytest.raises(InvalidInputError, match="the exec plugin of user 'u' failed, or gave neither"):
        asyncio.run(load_credentials(tmp_path / "config"))
