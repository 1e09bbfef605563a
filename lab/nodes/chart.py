"""The project's chart on a cluster, handled by Helm's own code (PyPI's helm-python-sdk): no helm program needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import helm_python

from lab.kubernetes.cluster_api import AGENT_NAMESPACE
from lab.nodes.images import TAG
from lab.repository import REPOSITORY
from lab.speed import allowance

RELEASE = "cachemon"
NAMESPACE = AGENT_NAMESPACE
LAB_VALUES: Mapping[str, Any] = {
    "image": {"tag": TAG, "pullPolicy": "Never"},  # loaded on the nodes; there is no registry
    "agent": {"nodePeriodSeconds": 5, "scanPeriodSeconds": 1, "rateWindowSeconds": 2},
}

_CHART = REPOSITORY / "charts" / "cachemon"
_SECONDS = 120


class Chart:
    """One release.

    Args:
        kubeconfig: of a user with all rights.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def install(self, values: Mapping[str, Any]) -> None:
        """As `helm install --create-namespace --wait`: returns when all pods are ready.

        Raises:
            HelmError: it was refused, or was not ready in time.
        """
        with self._helm() as helm:
            helm.install(_CHART, RELEASE, dict(values), create_namespace=True, wait="watcher", timeout=_limit())

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """As `helm upgrade --wait`."""
        with self._helm() as helm:
            helm.upgrade(_CHART, RELEASE, dict(values), wait="watcher", timeout=_limit())

    def test(self) -> None:
        """As `helm test`.

        Raises:
            HelmError: it failed.
        """
        with self._helm() as helm:
            helm.test(RELEASE, timeout=_limit())

    def uninstall(self) -> str:
        """As `helm uninstall --wait`; returns what it says of objects that were kept."""
        with self._helm() as helm:
            return str(helm.uninstall(RELEASE, wait="watcher", timeout=_limit())["info"])

    def _helm(self) -> Any:
        return helm_python.Config(kubeconfig_path=self._kubeconfig, namespace=NAMESPACE)


def _limit() -> int:
    return round(allowance(_SECONDS))
