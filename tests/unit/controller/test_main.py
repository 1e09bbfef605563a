import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon.controller.main import OperatorConfig, main, parse_config
from cachemon.daemon.logs import LogSettings, configure_logs
from cachemon.daemon.serving import Serving
from cachemon.daemon.settings import Address
from cachemon.model.errors import InvalidInputError


def test_without_flags_it_runs_as_the_pods_service_account_and_serves_nothing() -> None:
    assert parse_config([], {}) == OperatorConfig(None, Serving(None, None), LogSettings())


def test_flags_win_over_environment(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    environment = {
        "CACHEMON_METRICS_ADDRESS": ":9000",
        "CACHEMON_LOG_FORMAT": "json",
        "CACHEMON_KUBECONFIG": str(kubeconfig),
    }
    flags = ["--metrics-address=127.0.0.1:8081", "--health-address=0.0.0.0:8080", "--insecure-metrics=true"]
    config = parse_config(flags, environment)
    serving = Serving(Address("127.0.0.1", 8081), Address("0.0.0.0", 8080), insecure=True)
    assert config == OperatorConfig(kubeconfig, serving, LogSettings(format="json"))


@pytest.mark.parametrize(
    ("text", "address"),
    [("", None), (":8081", ("", 8081)), ("[::1]:8081", ("::1", 8081)), ("host:1", ("host", 1))],
)
def test_metrics_addresses(text: str, address: tuple[str, int] | None) -> None:
    assert parse_config([f"--metrics-address={text}"], {}).serving.metrics == address


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--metrics-address=8081", "must be HOST:PORT"),
        ("--metrics-address=:99999", "must be HOST:PORT"),
        ("--health-address=0.0.0.0", "must be HOST:PORT"),
        ("--insecure-metrics=yes", "must be one of true, false"),
        ("--metrics-tls-directory=/no/such/folder", "is no directory"),
        ("--log-format=xml", "must be one of text, json"),
        ("--log-level=verbose", "must be one of DEBUG, INFO, WARNING, ERROR"),
        ("--kubeconfig=/no/such/file", "must be a file"),
    ],
)
def test_a_value_that_is_not_valid_is_refused_with_those_that_are(
    flag: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInputError, match=what):
        parse_config([flag], {})
    assert main([flag]) == 2
    assert what in capsys.readouterr().err


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", tls-server-name: api.example.com}}]
users: [{name: u, user: {token: abc}}]
"""


def test_a_name_of_the_server_that_kopf_can_not_check_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    code = "import sys; from cachemon.controller.main import main; sys.exit(main())"
    program = [sys.executable, "-c", code, f"--kubeconfig={tmp_path / 'config'}"]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "tls-server-name api.example.com of the kubeconfig is not supported by the operator" in done.stderr


def test_help_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) < 40


def test_json_logs_are_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", output)
    try:
        configure_logs(LogSettings(format="json"))
        logging.getLogger("cachemon").info("bound %s", "a/b")
        try:
            int("odd\nvalue")
        except ValueError:
            logging.getLogger("cachemon").exception("failed")
    finally:
        root.handlers[:], root.level = handlers, level
    first, second = map(json.loads, output.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "cachemon", "bound a/b")
    assert "ValueError: invalid literal" in second["exception"]
