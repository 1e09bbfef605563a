"""A real cluster for all tests of this folder: the lab's own, or any that a variable names.

CACHEMON_CLUSTER_KUBECONFIG  kubeconfig of its administrator; KubeVirt must not run there
CACHEMON_CLUSTER_REGISTRY    where it gets the images from (localhost: they are loaded on its nodes)
CACHEMON_CLUSTER_RESCTRL     a path on its nodes for the emulated resctrl (/run/cachemon/resctrl)
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes.binaries import find
from lab.nodes.buildah import ImageError
from lab.nodes.chart import LAB_VALUES
from lab.nodes.cluster import RealCluster
from lab.nodes.images import EMULATOR, VIRT_LAUNCHER, build_images
from lab.nodes.install import Installation
from lab.nodes.kubectl import Kubectl
from lab.nodes.machine import why_not
from lab.nodes.programs import node_programs
from lab.nodes.vmi import RealVmi
from lab.program_cache import BinariesError
from lab.program_logs import LOGS
from lab.pytest_skips import found_or_skip
from tests.integration.cluster.view import Start, View

KUBECONFIG_VARIABLE = "CACHEMON_CLUSTER_KUBECONFIG"
COLD_SECONDS = 900  # what `make test` builds beforehand is built here when somebody runs pytest alone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(COLD_SECONDS))


@pytest.fixture(scope="session")
def images() -> dict[str, Path]:
    """Every image as an archive, by name."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    try:
        return build_images()
    except ImageError as error:
        pytest.skip(f"the images can't be built here: {error}")


@pytest.fixture(scope="session")
def prepared(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """A cluster on which the chart can be installed."""
    with ExitStack() as stack:
        given = os.environ.get(KUBECONFIG_VARIABLE)
        if given:
            installation = a_given_cluster(Path(given))
        else:
            images: dict[str, Path] = request.getfixturevalue("images")
            cluster = found_or_skip(
                lambda: stack.enter_context(RealCluster(find(), node_programs(), images)), BinariesError
            )
            installation = Installation(cluster.kubeconfig, LAB_VALUES, EMULATOR)
        LOGS.asked["the pods of cachemon"] = installation.logs
        stack.callback(LOGS.asked.pop, "the pods of cachemon")
        installation.prepare()
        yield installation
        if given:
            if installation.is_installed():
                installation.chart.uninstall()
            installation.remove_preparations()


def a_given_cluster(kubeconfig: Path) -> Installation:
    kubectl = Kubectl(kubeconfig)
    kinds = kubectl.run("get", "crd", "--output=name", "--ignore-not-found")
    if "kubevirts.kubevirt.io" in kinds:
        pytest.skip("KubeVirt runs on this cluster: it would act on the VMIs of these tests")
    if ".cachemon.dev" in kinds:
        pytest.skip("cachemon is installed on this cluster: these tests would remove it and all its objects")
    resctrl = os.environ.get("CACHEMON_CLUSTER_RESCTRL", "/run/cachemon/resctrl")
    agent = {**LAB_VALUES["agent"], "resctrl": {"hostPath": resctrl}}
    image = {**LAB_VALUES["image"], "registry": registry(), "pullPolicy": "IfNotPresent"}
    values = {**LAB_VALUES, "image": image, "agent": agent}
    return Installation(kubeconfig, values, at_registry(EMULATOR), resctrl)


def registry() -> str:
    return os.environ.get("CACHEMON_CLUSTER_REGISTRY", "localhost")


def at_registry(image: str) -> str:
    return image.replace("localhost", registry(), 1)


@pytest.fixture
def installed(prepared: Installation) -> Installation:
    """With the chart and the lab's values: installed for the first test, and again where one has removed it."""
    if not prepared.is_installed():
        prepared.install()
    return prepared


@pytest.fixture
def namespace(installed: Installation) -> Iterator[str]:
    name = f"test-{secrets.token_hex(3)}"
    installed.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    installed.kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def start(installed: Installation, namespace: str) -> Iterator[Start]:
    """Starts a VMI in a real pod: `start("vm1", "node01", busy_percent=(30, 5))`."""

    def start_vmi(name: str, node: str, *, wait: bool = True, **hardware: Any) -> RealVmi:
        vmi = RealVmi(installed.kubectl, namespace, name, at_registry(VIRT_LAUNCHER), **hardware)
        vmi.create(node)
        if wait:
            vmi.await_running()
        return vmi

    yield start_vmi
    installed.kubectl.run("delete", "vmi", "--all", f"--namespace={namespace}")


@pytest.fixture
def view(installed: Installation, namespace: str) -> View:
    return View(installed, namespace)
