"""Every field of a kubeconfig, every variable and every flag that say where an API server is and who asks it."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.kubectl.recording_server import Network

FAR = "https://172.20.0.10"
"""Reached through the proxy alone: loopback is never asked for through one (Go, net/http ProxyFromEnvironment)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What both programs are given.

    Attributes:
        files: kubeconfigs by name, in the folder of the row.
        environment: variables beside PATH and HOME; `{folder}` is that folder.
        flags: of kubectl and of the plugin alike.
    """

    files: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: {"KUBECONFIG": "{folder}/config"})
    flags: Sequence[str] = ()


Make = Callable[[Network, Path], Setting]


def config(
    cluster: Mapping[str, Any], user: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A kubeconfig with one of each, chosen."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **(context or {})}}],
        "current-context": "x",
    }


def trusted(network: Network, **more: Any) -> dict[str, Any]:
    """The server as a cluster, with its authority."""
    return {"server": network.url, "certificate-authority": str(network.certificates.authority), **more}


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _cluster(**more: Any) -> Make:
    return lambda network, _: Setting({"config": config({**trusted(network), **more}, {"token": "t"})})


def _user(user: Mapping[str, Any]) -> Make:
    return lambda network, _: Setting({"config": config(trusted(network), user)})


def _flags(*flags: str, user: Mapping[str, Any] | None = None, **context: Any) -> Make:
    return lambda network, folder: Setting(
        {"config": config(trusted(network), {"token": "t"} if user is None else user, context)},
        flags=[flag.format(folder=folder, network=network, files=network.certificates) for flag in flags],
    )


def _environment(server: str = FAR, **environment: str) -> Make:
    """A server that is not on loopback, and variables that say how to get there."""

    def make(network: Network, _: Path) -> Setting:
        variables = {name: value.format(proxy=network.proxy_address) for name, value in environment.items()}
        return Setting(
            {"config": config({"server": server, "insecure-skip-tls-verify": True}, {"token": "t"})},
            {"KUBECONFIG": "{folder}/config", **variables},
            ["--request-timeout=2s"],
        )

    return make


def _client(network: Network, *, as_data: bool, relative_to: Path | None = None) -> dict[str, str]:
    files = network.certificates
    pair = {"client-certificate": files.client, "client-key": files.client_key}
    if as_data:
        return {f"{name}-data": _text(path) for name, path in pair.items()}
    if relative_to is not None:
        for path in pair.values():
            (relative_to / path.name).write_bytes(path.read_bytes())
        return {name: path.name for name, path in pair.items()}
    return {name: str(path) for name, path in pair.items()}


_PLUGIN = """#!/bin/sh
credential() {
  printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {%s}}' "$1"
}
"""


def _exec(script: str, *, name: str = "login", **more: Any) -> Make:
    """An exec plugin, written into the folder of the row."""

    def make(network: Network, folder: Path) -> Setting:
        files = network.certificates
        program = folder / name
        text = script.replace("@CERT@", files.client.read_text().replace("\n", "\\n"))
        program.write_text(_PLUGIN + text.replace("@KEY@", files.client_key.read_text().replace("\n", "\\n")))
        program.chmod(0o755)
        version = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "IfAvailable"}
        return Setting({"config": config(trusted(network), {"exec": {"command": str(program), **version, **more}})})

    return make


def _two_files(first: Mapping[str, Any], second: Mapping[str, Any], kubeconfig: str) -> Make:
    def make(network: Network, _: Path) -> Setting:
        whole = config(trusted(network), {"token": "first"}, {"namespace": "ns1"})
        other = config({"server": "https://127.0.0.1:1"}, {"token": "second"}, {"namespace": "ns2"})
        parts = {"a": {**_part(whole, first), **first}, "b": {**_part(whole, second), **second}, "other": other}
        return Setting(parts, {"KUBECONFIG": kubeconfig})

    def _part(whole: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
        kept = chosen.get("keeps", ())
        return {"apiVersion": "v1", "kind": "Config", **{key: whole[key] for key in kept}}

    return make


def _in_home(network: Network, folder: Path) -> Setting:
    (folder / ".kube").mkdir()
    return Setting({".kube/config": config(trusted(network), {"token": "home"})}, {})


def _empty_variable(network: Network, folder: Path) -> Setting:
    return Setting(_in_home(network, folder).files, {"KUBECONFIG": ""})


def _without(*removed: str) -> Make:
    def make(network: Network, _: Path) -> Setting:
        whole = config(trusted(network), {"token": "t"})
        return Setting({"config": {key: value for key, value in whole.items() if key not in removed}})

    return make


def _with_context(**context: Any) -> Make:
    return lambda network, _: Setting({"config": config(trusted(network), {"token": "t"}, context)})


def _relative_authority(network: Network, folder: Path) -> Setting:
    (folder / "ca.pem").write_bytes(network.certificates.authority.read_bytes())
    return Setting({"config": config(trusted(network, **{"certificate-authority": "ca.pem"}), {"token": "t"})})


def _authority_as_data(network: Network, _: Path) -> Setting:
    data = {"certificate-authority-data": _text(network.certificates.authority)}
    return Setting({"config": config({"server": network.url, **data}, {"token": "t"})})


def _strange_authority(network: Network, _: Path) -> Setting:
    stranger = {"certificate-authority": str(network.certificates.stranger)}
    return Setting({"config": config(trusted(network, **stranger), {"token": "t"})})


def _without_authority(network: Network, _: Path) -> Setting:
    return Setting({"config": config({"server": network.url}, {"token": "t"})})


def _insecure(network: Network, _: Path) -> Setting:
    return Setting({"config": config({"server": network.url, "insecure-skip-tls-verify": True}, {"token": "t"})})


def _server(suffix: str) -> Make:
    return lambda network, _: Setting(
        {"config": config(trusted(network, server=network.url + suffix), {"token": "t"})}
    )


def _by_name(network: Network, _: Path) -> Setting:
    server = network.url.replace("127.0.0.1", "localhost")
    return Setting({"config": config(trusted(network, server=server), {"token": "t"})})


def _plain(network: Network, _: Path) -> Setting:
    return Setting({"config": config({"server": network.plain_url}, {"token": "t", "as": "jane"})})


def _proxied(url: str) -> Make:
    def make(network: Network, _: Path) -> Setting:
        cluster = {"server": FAR, "insecure-skip-tls-verify": True, "proxy-url": url.format(network.proxy_address)}
        return Setting({"config": config(cluster, {"token": "t"})}, flags=["--request-timeout=2s"])

    return make


def _proxy_on_loopback(network: Network, _: Path) -> Setting:
    return Setting(
        {"config": config(trusted(network, **{"proxy-url": f"http://{network.proxy_address}"}), {"token": "t"})}
    )


def _token_file(network: Network, folder: Path) -> Setting:
    (folder / "token").write_text("from-file\n")
    return Setting({"config": config(trusted(network), {"tokenFile": str(folder / "token")})})


def _relative_token_file(network: Network, folder: Path) -> Setting:
    (folder / "token").write_text("from-file")
    return Setting({"config": config(trusted(network), {"tokenFile": "token"})})


def _token_and_file(network: Network, folder: Path) -> Setting:
    (folder / "token").write_text("from-file")
    return Setting({"config": config(trusted(network), {"token": "t", "tokenFile": str(folder / "token")})})


def _certificate(*, as_data: bool = False, relative: bool = False) -> Make:
    def make(network: Network, folder: Path) -> Setting:
        pair = _client(network, as_data=as_data, relative_to=folder if relative else None)
        return Setting({"config": config(trusted(network), pair)})

    return make


def _two_users(network: Network, _: Path) -> Setting:
    both = config(trusted(network), {"token": "t"})
    both["users"].append({"name": "v", "user": {"token": "of-v"}})
    both["clusters"].append({"name": "d", "cluster": {**trusted(network), "server": f"{network.url}/d"}})
    both["contexts"].append({"name": "y", "context": {"cluster": "d", "user": "v", "namespace": "ns-y"}})
    return Setting({"config": both})


def _two(*flags: str) -> Make:
    return lambda network, folder: Setting(_two_users(network, folder).files, flags=flags)


def _only_flags(network: Network, _: Path) -> Setting:
    flags = [f"--server={network.url}", f"--certificate-authority={network.certificates.authority}", "--token=t"]
    return Setting({}, {"KUBECONFIG": "{folder}/nothing"}, flags)


def _named_kubeconfig(network: Network, folder: Path) -> Setting:
    files = {"config": config(trusted(network), {"token": "wrong"}), "b": config(trusted(network), {"token": "t"})}
    return Setting(files, flags=[f"--kubeconfig={folder}/b"])


_INFO = """credential "\\"token\\": \\"$(printf %s "$KUBERNETES_EXEC_INFO" | cksum | tr -dc 0-9)\\"" """
_TOKEN = """credential '"token": "from-plugin"'"""

ROWS: Mapping[str, Make] = {
    # clusters
    "server": _cluster(),
    "server by name": _by_name,
    "server with a path": _server("/k8s/clusters/c-1"),
    "server that ends with a slash": _server("/"),
    "server with a path and a slash": _server("/k8s/"),
    "server without TLS": _plain,
    "authority in a file beside the kubeconfig": _relative_authority,
    "authority as data": _authority_as_data,
    "authority that did not sign": _strange_authority,
    "authority of the system": _without_authority,
    "insecure-skip-tls-verify": _insecure,
    "tls-server-name": _cluster(**{"tls-server-name": "other.example"}),
    "tls-server-name that is not in the certificate": _cluster(**{"tls-server-name": "wrong.example"}),
    "disable-compression": _cluster(**{"disable-compression": True}),
    "proxy-url": _proxied("http://{}"),
    "proxy-url with a password": _proxied("http://jane:secret@{}"),
    "proxy-url of a server on loopback": _proxy_on_loopback,
    "proxy-url that is no URL": _proxied("no url"),
    # users
    "nobody": _user({}),
    "token": _user({"token": "t"}),
    "tokenFile": _token_file,
    "tokenFile beside the kubeconfig": _relative_token_file,
    "token and tokenFile": _token_and_file,
    "client certificate": _certificate(),
    "client certificate beside the kubeconfig": _certificate(relative=True),
    "client certificate as data": _certificate(as_data=True),
    "username and password": _user({"username": "jane", "password": "secret"}),
    "as": _user({"token": "t", "as": "viewer"}),
    "as-uid": _user({"token": "t", "as": "viewer", "as-uid": "17"}),
    "as-groups": _user({"token": "t", "as": "viewer", "as-groups": ["a", "b"]}),
    "as-user-extra": _user({"token": "t", "as": "viewer", "as-user-extra": {"reason": ["x", "y"]}}),
    "as-groups without as": _user({"token": "t", "as-groups": ["a"]}),
    "auth-provider": _user({"auth-provider": {"name": "gcp", "config": {}}}),
    # exec
    "exec": _exec(_TOKEN),
    "exec by v1beta1": _exec(
        """printf '{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",'
        printf '"status": {"token": "beta"}}'""",
        apiVersion="client.authentication.k8s.io/v1beta1",
    ),
    "exec by v1alpha1": _exec(_TOKEN, apiVersion="client.authentication.k8s.io/v1alpha1"),
    "exec with arguments": _exec("""credential "\\"token\\": \\"$*\\"" """, args=["get", "token"]),
    "exec with variables": _exec(
        """credential "\\"token\\": \\"$ROLE\\"" """, env=[{"name": "ROLE", "value": "viewer"}]
    ),
    "exec beside the kubeconfig": _exec(_TOKEN, command="./login"),
    "exec that gets the cluster": _exec(_INFO, provideClusterInfo=True),
    "exec that does not get the cluster": _exec(_INFO, provideClusterInfo=False),
    "exec with a client certificate": _exec(
        """credential '"clientCertificateData": "@CERT@", "clientKeyData": "@KEY@"'"""
    ),
    "exec with a token that has ended": _exec(
        """credential '"token": "old", "expirationTimestamp": "2020-01-01T00:00:00Z"'"""
    ),
    "exec that fails": _exec("echo 'log in first' >&2; exit 3"),
    "exec that says nothing": _exec("exit 0"),
    "exec that is not there": _exec(_TOKEN, command="/nowhere/login", installHint="get it from the shop"),
    "exec that needs a terminal": _exec(_TOKEN, interactiveMode="Always"),
    "exec that never asks": _exec(_TOKEN, interactiveMode="Never"),
    # contexts
    "namespace of the context": _with_context(namespace="ns1"),
    "no current context": _without("current-context"),
    "context without a user": _with_context(user=""),
    "user that is not there": _with_context(user="unheard-of"),
    "cluster that is not there": _with_context(cluster="unheard-of"),
    # variables
    "kubeconfig in the home directory": _in_home,
    "KUBECONFIG that is empty": _empty_variable,
    "KUBECONFIG with two files": _two_files(
        {"keeps": ("clusters", "current-context")}, {"keeps": ("users", "contexts")}, "{folder}/a:{folder}/b"
    ),
    "KUBECONFIG with a file that is not there": _two_files(
        {"keeps": ("clusters", "current-context", "users", "contexts")}, {}, "{folder}/nothing:{folder}/a"
    ),
    "KUBECONFIG whose first file wins": _two_files(
        {"keeps": ("clusters", "users", "contexts", "current-context")}, {}, "{folder}/a:{folder}/other"
    ),
    "KUBECONFIG with an empty part": _two_files(
        {"keeps": ("clusters", "users", "contexts", "current-context")}, {}, ":{folder}/a:"
    ),
    "HTTPS_PROXY": _environment(HTTPS_PROXY="http://{proxy}"),
    "https_proxy": _environment(https_proxy="http://{proxy}"),
    "HTTPS_PROXY without a scheme": _environment(HTTPS_PROXY="{proxy}"),
    "HTTPS_PROXY with a password": _environment(HTTPS_PROXY="http://jane:secret@{proxy}"),
    "HTTPS_PROXY to loopback": _environment("https://127.0.0.1:1", HTTPS_PROXY="http://{proxy}"),
    "HTTPS_PROXY to localhost": _environment("https://localhost:1", HTTPS_PROXY="http://{proxy}"),
    "HTTP_PROXY alone": _environment(HTTP_PROXY="http://{proxy}"),
    "NO_PROXY with the address": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="172.20.0.10"),
    "NO_PROXY with a network": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="172.20.0.0/16"),
    "NO_PROXY with another network": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="10.0.0.0/8"),
    "NO_PROXY with a port": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="172.20.0.10:443"),
    "NO_PROXY with another port": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="172.20.0.10:6443"),
    "NO_PROXY with a star": _environment(HTTPS_PROXY="http://{proxy}", NO_PROXY="*"),
    "no_proxy": _environment(HTTPS_PROXY="http://{proxy}", no_proxy="172.20.0.0/16"),
    "NO_PROXY with a domain": _environment("https://api.invalid", HTTPS_PROXY="http://{proxy}", NO_PROXY=".invalid"),
    "NO_PROXY with another domain": _environment(
        "https://api.invalid", HTTPS_PROXY="http://{proxy}", NO_PROXY=".example"
    ),
    # flags
    "--namespace": _flags("--namespace=ns2", namespace="ns1"),
    "-n": _flags("-n", "ns2"),
    "--all-namespaces": _flags("--all-namespaces", namespace="ns1"),
    "-A": _flags("-A"),
    "--context": _two("--context=y"),
    "--context that is not there": _two("--context=z"),
    "--cluster": _two("--cluster=d"),
    "--user": _two("--user=v"),
    "--kubeconfig": _named_kubeconfig,
    "--server": _flags("--server={network.url}/elsewhere"),
    "-s": _flags("-s", "{network.url}/elsewhere"),
    "--server without a kubeconfig": _only_flags,
    "--token": _flags("--token=other"),
    "--as": _flags("--as=viewer"),
    "--as over as": _flags("--as=viewer", user={"token": "t", "as": "somebody"}),
    "--as-group": _flags("--as=viewer", "--as-group=a", "--as-group=b"),
    "--as-uid": _flags("--as=viewer", "--as-uid=17"),
    "--as-user-extra": _flags("--as=viewer", "--as-user-extra=reason=x"),
    "--certificate-authority": _flags("--certificate-authority={files.stranger}"),
    "--client-certificate": _flags("--client-certificate={files.client}", "--client-key={files.client_key}", user={}),
    "--insecure-skip-tls-verify": _flags("--insecure-skip-tls-verify=true", "--server={network.url}"),
    "--tls-server-name": _flags("--tls-server-name=other.example"),
    "--username": _flags("--username=jane", "--password=secret", user={}),
    "--request-timeout": _flags("--request-timeout=1m30s"),
    "--request-timeout in seconds": _flags("--request-timeout=30"),
    "--request-timeout that is no time": _flags("--request-timeout=soon"),
    "--disable-compression": _flags("--disable-compression"),
    "--cache-dir": _flags("--cache-dir={folder}/cache"),
}
