"""Same kubeconfig, same environment, same flags: what arrives at the server is what kubectl would send."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.kubectl.certificates import make_certificates
from tests.integration.kubectl.comparison import compare, compare_setting
from tests.integration.kubectl.recording_server import Network, network
from tests.integration.kubectl.rows import ROWS, Setting, config, trusted


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(make_certificates(tmp_path_factory.mktemp("recording"))) as running:
        yield running


@pytest.mark.parametrize("row", ROWS)
def test_the_plugin_asks_as_kubectl_does(row: str, recording: Network, tmp_path: Path) -> None:
    by_kubectl, by_plugin, output = compare(recording, row, tmp_path)
    assert by_plugin == by_kubectl, output
    if not by_plugin.succeeded:
        assert output.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in output


@pytest.mark.parametrize(
    "command", ['exec "$@" --kubeconfig <(cat config)', 'KUBECONFIG=none:<(cat config) exec "$@"']
)
def test_a_kubeconfig_that_can_be_read_once_only_is_enough(command: str, recording: Network, tmp_path: Path) -> None:
    text = yaml.safe_dump(config(trusted(recording), {"token": "t"}))
    (tmp_path / "config").write_text(text, encoding="utf-8")
    wrapper = ("bash", "-c", command, "bash")
    by_kubectl, by_plugin, output = compare_setting(recording, Setting({}, {}), tmp_path, wrapper)
    assert by_plugin == by_kubectl, output
    assert by_plugin.succeeded


IN_A_POD = """
mount -t tmpfs pod /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount
cd /run/secrets/kubernetes.io/serviceaccount
printf pod-token > token; printf ns-of-pod > namespace; cat "$AUTHORITY" > ca.crt
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a /run of its own")
def test_in_a_pod_the_plugin_asks_as_the_pods_service_account(recording: Network, tmp_path: Path) -> None:
    host, _, port = recording.url.removeprefix("https://").partition(":")
    pod = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    setting = Setting({}, {**pod, "AUTHORITY": str(recording.certificates.authority)})
    wrapper = ("unshare", "--mount", "sh", "-c", IN_A_POD, "sh")
    by_kubectl, by_plugin, output = compare_setting(recording, setting, tmp_path, wrapper)
    assert by_plugin == by_kubectl, output
    (arrival,) = by_plugin.arrivals
    assert arrival.authorization == "Bearer pod-token"
    assert arrival.path.endswith("/namespaces/ns-of-pod/cachemonitorgroups")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a /run of its own")
@pytest.mark.parametrize("context", [{}, {"namespace": "default"}, {"namespace": "elsewhere"}])
def test_in_a_pod_a_context_without_a_namespace_has_that_of_the_pod(
    context: dict[str, str], recording: Network, tmp_path: Path
) -> None:
    host, _, port = recording.url.removeprefix("https://").partition(":")
    pod = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    text = yaml.safe_dump(config(trusted(recording), {"token": "t"}, context))
    (tmp_path / "config").write_text(text, encoding="utf-8")
    environment = {**pod, "AUTHORITY": str(recording.certificates.authority), "KUBECONFIG": str(tmp_path / "config")}
    wrapper = ("unshare", "--mount", "sh", "-c", IN_A_POD, "sh")
    by_kubectl, by_plugin, output = compare_setting(recording, Setting({}, environment), tmp_path, wrapper)
    assert by_plugin == by_kubectl, output
    (arrival,) = by_plugin.arrivals
    assert f"/namespaces/{context.get('namespace', 'ns-of-pod')}/" in arrival.path


def test_some_settings_lead_to_the_server_and_some_do_not() -> None:
    assert len(ROWS) >= 60
