"""`python -m tools.page_pictures`: pictures of the page, with a VM that is hurt and one that has moved.

Three emulated nodes run real virtual machines, whose work is the emulator's model. The page is served from the start,
so its charts show what happened. Chromium takes the pictures, in light and dark.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, sync_playwright

from lab.cluster import MIB, Cluster, program
from lab.progress import say_on_stderr
from lab.repository import REPOSITORY
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.vms.workloads import AGGRESSOR, BLOCK, QUIET, VICTIM, let_work
from lab.wait import Deadline, until
from resctrl_emulator.thread_profile import ThreadProfile

Theme = Literal["light", "dark"]

_PICTURES = REPOSITORY / "docs/pictures"
_EMULATOR = {"blocks": {BLOCK: 32 * MIB}, "more": ("--packages=1",), "has_proc_view": True}
_AGENT_FLAGS = (
    "--node-period=2",
    "--rate-window=2",
    "--sample-period=0.25",
    "--interference=true",
    "--interference-window=1",
)
_VMS: Mapping[tuple[str, str], tuple[str, ThreadProfile]] = {
    ("shop", "db"): ("node01", VICTIM),
    ("shop", "web"): ("node02", QUIET),
    ("reports", "batch"): ("node01", QUIET),
    ("reports", "archive"): ("node02", VICTIM),
    ("mail", "queue"): ("node03", QUIET),
    ("mail", "index"): ("node03", VICTIM),
}
_CALM_SECONDS, _HURT_SECONDS, _AFTER_SECONDS = 60, 45, 60
_GIVE_UP_SECONDS = 240
_WIDTH = 1280
_FLEET = "#/"


class Scene:
    """The cluster and its VMs.

    Args:
        cluster: that has no node yet.
        stack: ends what is started.
    """

    def __init__(self, cluster: Cluster, stack: ExitStack) -> None:
        self.cluster = cluster
        cluster.start_operator()
        for name in ("node01", "node02", "node03"):
            cluster.add_node(name, emulator=_EMULATOR, agent_flags=_AGENT_FLAGS).start_agent()
        for namespace in sorted({namespace for namespace, _ in _VMS}):
            cluster.add_namespace(namespace)
        self._vms = {
            (namespace, name): stack.enter_context(Vmi(cluster, namespace, name, Hardware(vcpus=1)))
            for namespace, name in _VMS
        }
        for (namespace, name), (node, profile) in _VMS.items():
            self._vms[namespace, name].start(node)
            self.work(namespace, name, node, profile)
            cluster.control_plane.apply(
                {
                    "apiVersion": "cachemon.dev/v1alpha1",
                    "kind": "CacheMonitorGroup",
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": {"vmiName": name, "statusPeriodSeconds": 2},
                }
            )

    def work(self, namespace: str, name: str, node: str, profile: ThreadProfile) -> None:
        """Let a VM work on a node."""
        let_work(self._vms[namespace, name].machine, self.cluster.nodes[node].emulator, profile)

    def move(self, namespace: str, name: str, node: str, profile: ThreadProfile) -> None:
        """Migrate a VM, and let it work there."""
        self._vms[namespace, name].migrate(node)
        self.work(namespace, name, node, profile)

    def report(self) -> dict[str, Any]:
        """What the status of `db` says of interference."""
        found: dict[str, Any] = self.cluster.group("shop", "db").get("status", {})
        return found

    def is_undisturbed(self) -> bool:
        """Whether the agent says that nobody disturbs `db`."""
        return any(
            each["type"] == "Undisturbed" and each["status"] == "True" for each in self.report().get("conditions", ())
        )


@contextmanager
def _served(kubeconfig: Path) -> Iterator[str]:
    """The address of the page of a cluster."""
    command = [str(program("kubectl-cachemon")), "web", "-A", "--no-open"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout
            yield served.stdout.readline().strip()
        finally:
            served.terminate()


def _take(browser: Browser, address: str, name: str, view: str, height: int, *themes: Theme) -> None:
    """Save a picture of a view in each theme.

    Args:
        browser: Chromium.
        address: of the page.
        name: of the pictures.
        view: its part of the address.
        height: of the window, in pixels.
        themes: of the page.
    """
    for theme in themes:
        page = browser.new_page(viewport={"width": _WIDTH, "height": height}, color_scheme=theme)
        if view == _FLEET:
            page.goto(f"{address}{view}")
        else:
            page.goto(f"{address}{view}")
            page.locator(".markers .marker").first.wait_for()  # the history is there
        page.wait_for_load_state("networkidle", timeout=10_000)
        path = _PICTURES / f"{name}-{theme}.png"
        page.screenshot(path=path)
        page.close()
        print(path.relative_to(REPOSITORY), flush=True)


def _pass(seconds: float) -> None:
    """Let the VMs work: the charts need time to show."""
    deadline = Deadline(seconds)
    until(f"{seconds:.0f} s have passed", lambda: deadline.is_over, seconds=seconds + _GIVE_UP_SECONDS)


def main() -> int:
    """Let the story happen and save the pictures; it takes about six minutes.

    Returns:
        0.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("make pictures: chromium is missing; `make setup` installs it for root")
    folder = Path(tempfile.mkdtemp(prefix="cachemon-pictures-"))
    try:
        with ExitStack() as stack:
            scene = Scene(stack.enter_context(Cluster(folder)), stack)
            address = stack.enter_context(_served(scene.cluster.control_plane.admin_kubeconfig))
            playwright = stack.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            say_on_stderr("waiting until the agents know what is usual")
            until("db is undisturbed", scene.is_undisturbed, seconds=_GIVE_UP_SECONDS)
            _pass(_CALM_SECONDS)
            say_on_stderr("batch begins to read more than the cache holds")
            scene.work("reports", "batch", "node01", AGGRESSOR)
            until(
                "the agent is sure",
                lambda: scene.report().get("interference", {}).get("level") == "Confirmed",
                seconds=_GIVE_UP_SECONDS,
            )
            _pass(_HURT_SECONDS)
            _take(browser, address, "page-fleet", _FLEET, 420, "light", "dark")
            _take(browser, address, "page-vm", "#/vm/shop/db", 1080, "dark")
            say_on_stderr("batch moves")
            scene.move("reports", "batch", "node03", AGGRESSOR)
            until("db is undisturbed", scene.is_undisturbed, seconds=_GIVE_UP_SECONDS)
            _pass(_AFTER_SECONDS)
            _take(browser, address, "page-node", "#/node/node01", 1080, "light")
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("make pictures: run it as root, or in a user namespace as demo/kubevirt.py does")
    sys.exit(main())
