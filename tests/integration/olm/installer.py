"""The installer as OLM starts it: its account has the rights that the bundle gives, and no others."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from lab.kubernetes.control_plane import ControlPlane
from lab.ports import LOOPBACK, free_port
from lab.server_process import ServerProcess
from tests.integration.olm.bundle import Bundle
from tools.release.olm.service_version import ACCOUNT

PERIOD = "2s"
"""Between two comparisons of the objects with the chart; on a cluster it is minutes."""

_STOP_SECONDS = 20


class Installer:
    """The process; a context manager that ends it.

    Args:
        program: helm-operator.
        files: what its image is built from.
        bundle: that it belongs to, for its arguments.
        cluster: that it works on.
        namespace: its own.
        work: a folder for its log.
    """

    def __init__(
        self, program: Path, files: Path, bundle: Bundle, cluster: ControlPlane, namespace: str, *, work: Path
    ) -> None:
        (deployment,) = bundle.csv["spec"]["install"]["spec"]["deployments"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        watches = work / "watches.yaml"
        watches.write_text((files / "watches.yaml").read_text().replace("chart: /chart", f"chart: {files}/chart"))
        changed = {
            "--watches-file": str(watches),
            "--health-probe-bind-address": f"{LOOPBACK}:{free_port()}",
            "--reconcile-period": PERIOD,
        }
        token = cluster.service_account_token(namespace, ACCOUNT)
        kubeconfig = cluster.kubeconfig(ACCOUNT, token, namespace)
        self._process = ServerProcess(
            [program, *_with(container["args"], changed)],
            work / "installer.log",
            environment={**os.environ, "KUBECONFIG": str(kubeconfig), "WATCH_NAMESPACE": namespace},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop_or_kill(_STOP_SECONDS)

    def log_tail(self) -> str:
        """The end of its log."""
        return self._process.log_tail()


def _with(arguments: list[str], changed: Mapping[str, str]) -> list[str]:
    """The arguments with other values of some flags, which must be there."""
    flags = [argument.partition("=")[0] for argument in arguments]
    assert {*changed} <= {*flags}
    return [
        f"{flag}={changed[flag]}" if flag in changed else argument
        for flag, argument in zip(flags, arguments, strict=True)
    ]
