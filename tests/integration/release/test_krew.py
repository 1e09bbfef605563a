"""The plugin by the real krew: from an index and an archive that krew downloads, as people install it."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cachemon import __version__
from lab.kubernetes.cluster_api import kubectl_program
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from tools.release.go_tools import go_tool

ARCHIVE = f"kubectl-cachemon-{__version__}.tar.gz"


class Kubectl:
    """kubectl of a person who has krew and a Python without packages.

    Args:
        home: an empty folder.
        krew: the program.
        index: a git repository of manifests.
    """

    def __init__(self, home: Path, krew: Path, index: Path) -> None:
        programs = home / "bin"
        programs.mkdir(parents=True)
        kubectl = shutil.which(str(kubectl_program()))
        assert kubectl
        for name, program in (("kubectl", kubectl), ("kubectl-krew", krew), ("python3", sys.executable)):
            (programs / name).symlink_to(program)
        self.environment = {
            "HOME": str(home),
            "PATH": f"{programs}:{home}/krew/bin:/usr/bin:/bin",
            "KREW_ROOT": str(home / "krew"),
            "KREW_DEFAULT_INDEX_URI": str(index),
            "KREW_NO_UPGRADE_CHECK": "1",
        }

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints, on both streams."""
        done = subprocess.run(
            ["kubectl", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def krew() -> Path:
    if shutil.which("git") is None:
        pytest.skip("krew needs git")
    module = "sigs.k8s.io/krew"
    return found_or_skip(lambda: go_tool("krew", f"{module}/cmd/krew", module, "half a minute"), BinariesError)


@pytest.fixture
def page(release: Path) -> Iterator[str]:
    """The release's page: an address below which its files are."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(release))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def index_of(folder: Path, manifest: str) -> Path:
    """A krew index with one plugin."""
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins/cachemon.yaml").write_text(manifest)
    git = ["git", "-C", str(folder), "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=index"]):
        subprocess.run([*git, *words], check=True, env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    return folder


@pytest.mark.timeout(1200)
def test_krew_downloads_the_plugin_of_the_index_and_kubectl_runs_it(
    krew: Path, release: Path, page: str, tmp_path: Path
) -> None:
    manifest = (release / "cachemon.yaml").read_text()
    (platform,) = yaml.safe_load(manifest)["spec"]["platforms"]
    index = index_of(tmp_path / "index", manifest.replace(platform["uri"], f"{page}/{Path(platform['uri']).name}"))
    kubectl = Kubectl(tmp_path / "home", krew, index)
    kubectl.run("krew", "update")
    assert "cachemon" in kubectl.run("krew", "search", "cachemon")
    assert "It needs Python 3.11" in kubectl.run("krew", "install", "cachemon")
    assert kubectl.run("krew", "list") == "cachemon\n"

    assert kubectl.run("cachemon", "--version") == f"kubectl-cachemon {__version__}\n"
    assert kubectl.run("cachemon", "version", "--client") == f"plugin {__version__}\n"
    assert "--kubeconfig" in kubectl.run("cachemon", "top", "--help")
    assert "complete" in kubectl.run("cachemon", "completion", "bash")

    kubectl.run("krew", "uninstall", "cachemon")
    assert "unknown command" in kubectl.run("cachemon", "--version", code=1)


@pytest.mark.timeout(1200)
def test_krew_installs_the_files_of_a_release_without_a_network(krew: Path, release: Path, tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path / "home", krew, tmp_path / "none")
    kubectl.run("krew", "install", f"--manifest={release / 'cachemon.yaml'}", f"--archive={release / ARCHIVE}")
    assert kubectl.run("cachemon", "--version") == f"kubectl-cachemon {__version__}\n"
