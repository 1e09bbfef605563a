"""The plugin as one file that needs only Python, and the manifest by which krew installs it.

The file is a zipapp with the plugin's dependencies. They come from the lock, as pure Python: PyYAML works without its
compiled part. lxml is none, so `import` and `export` ask for it.
"""

import io
import tempfile
import zipapp
import zipfile
from pathlib import Path

import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.release.bundle import bundle
from tools.release.checksums import digest
from tools.release.reproducible import Entry, tar_gz

PROGRAM = "kubectl-cachemon"
_BUNDLED = ("argcomplete", "jsonpath-ng", "pyyaml", "rich")
"""Without Pygments and Markdown, which rich loads for source code and pages: half of the archive."""

_INTERPRETER = "/usr/bin/env python3"
_MAIN = "import sys\n\nfrom cachemon.plugin.main import main\n\nsys.exit(main())\n"
_PLATFORMS = [{"key": "os", "operator": "In", "values": ["linux", "darwin"]}]
_URL = "https://cachemon.dev/releases/v{version}/{name}"


def make_plugin_archive(folder: Path) -> None:
    """Make `kubectl-cachemon-VERSION.tar.gz` and `cachemon.yaml`.

    Args:
        folder: of the release.
    """
    archive = folder / f"{PROGRAM}-{__version__}.tar.gz"
    licence = Entry((REPOSITORY / "LICENSE").read_bytes())
    archive.write_bytes(tar_gz({PROGRAM: Entry(_zipapp(), 0o755), "LICENSE": licence}))
    manifest = krew_manifest(__version__, archive.name, digest(archive))
    (folder / "cachemon.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")


def krew_manifest(version: str, name: str, sha256: str) -> dict[str, object]:
    """The manifest of a krew plugin (krew.googlecontainertools.github.com/v1alpha2).

    Args:
        version: of the release, without `v`.
        name: of the archive.
        sha256: of it.
    """
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "cachemon"},
        "spec": {
            "version": f"v{version}",
            "homepage": "https://cachemon.dev",
            "shortDescription": "Show who uses the caches of KubeVirt nodes",
            "description": "Shows which VM holds the last-level cache and the memory bandwidth of a node,\n"
            "and which VM disturbs another. The cluster needs cachemon.\n",
            "caveats": "It needs Python 3.11 or newer on the PATH, as python3.\n"
            "The commands import and export need the Python package lxml as well (Debian: python3-lxml).\n",
            "platforms": [
                {
                    "selector": {"matchExpressions": _PLATFORMS},
                    "uri": _URL.format(version=version, name=name),
                    "sha256": sha256,
                    "bin": PROGRAM,
                }
            ],
        },
    }


def _zipapp() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({"__main__.py": _MAIN.encode(), **bundle(_BUNDLED)}.items()):
            archive.writestr(_about(name), content)
    with_interpreter = io.BytesIO()
    with tempfile.TemporaryDirectory() as work:
        plain = Path(work, "plain.zip")
        plain.write_bytes(packed.getvalue())
        zipapp.create_archive(plain, with_interpreter, _INTERPRETER)
    return with_interpreter.getvalue()


def _about(name: str) -> zipfile.ZipInfo:
    about = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    about.external_attr = 0o644 << 16
    about.compress_type = zipfile.ZIP_DEFLATED
    return about
