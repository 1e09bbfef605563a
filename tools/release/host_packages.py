"""The deb and the rpm of a plain libvirt host, made by nfpm of one description.

Both hold the same files. libvirt's bindings, lxml and PyYAML come from the distribution, as they have compiled parts;
the rest is pure Python in /usr/lib/cachemon. So one package serves every architecture and every Python from 3.11 on.
"""

import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from cachemon import __version__
from cachemon.commands.completion import script
from cachemon.host.agent.main import UNIT
from lab.repository import REPOSITORY
from tools.release.bundle import bundle
from tools.release.go_tools import go_tool
from tools.release.man_pages import host_man_page
from tools.release.reproducible import DAY, TIME
from tools.release.versions import release_day

NAME = "cachemon-host"

_FILES = Path(__file__).parent / "host_files"
_MODULE = "github.com/goreleaser/nfpm/v2"
_BUNDLED = (
    "aiohappyeyeballs", "aiohttp", "aiosignal", "argcomplete", "attrs", "frozenlist", "idna", "jsonpath-ng",
    "multidict", "prometheus-client", "propcache", "rich", "typing-extensions", "yarl",
)  # fmt: skip
"""Without Pygments and Markdown, which rich loads for source code and pages: 4.6 MB that tables do not need."""

_TIME = f"{DAY}T00:00:00Z"

_PROGRAM = "usr/bin/cachemon"
_CONFFILE = "etc/default/cachemon-host"
_COPYRIGHT = f"usr/share/doc/{NAME}/copyright"
_LICENSE = f"usr/share/licenses/{NAME}/LICENSE"
_CHANGES = f"usr/share/doc/{NAME}/changelog.gz"
_MAN_PAGE = "usr/share/man/man1/cachemon.1.gz"
_KINDS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    _CONFFILE: ({"type": "config|noreplace"},),
    _COPYRIGHT: ({"packager": "deb"},),
    _LICENSE: ({"packager": "rpm", "type": "license"},),
    _CHANGES: ({"packager": "deb"}, {"packager": "rpm", "type": "doc"}),
    _MAN_PAGE: ({"packager": "deb"}, {"packager": "rpm", "type": "doc"}),
}
"""What nfpm is to know of some files, for each format that has them."""

_OWN_FOLDERS = ("usr/lib/cachemon", f"usr/share/doc/{NAME}", f"usr/share/licenses/{NAME}")
"""Below them rpm must own the folders as well: it leaves the others behind. dpkg owns them all."""

_MAINTAINER = "cachemon <security@cachemon.dev>"
_DOCUMENTATION = "Documentation=man:cachemon(1) https://cachemon.dev/docs\n"
_SOCKET_GROUP = "SupplementaryGroups=cachemon\n"


def make_host_packages(folder: Path, version: str = __version__) -> None:
    """Make `cachemon-host_VERSION-1_all.deb` and `cachemon-host-VERSION-1.noarch.rpm`.

    Args:
        folder: where they go.
        version: of the packages.

    Raises:
        BinariesError: nfpm could not be built.
    """
    nfpm = go_tool("nfpm", f"{_MODULE}/cmd/nfpm", _MODULE, "about 2 minutes")
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work, "tree")
        for name, content in tree_files().items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        changes, description = Path(work, "changelog.yaml"), Path(work, "nfpm.yaml")
        changes.write_text(json.dumps(packaging_changes(version)), encoding="utf-8")  # JSON is YAML
        description.write_text(json.dumps(nfpm_description(tree, changes, version)), encoding="utf-8")
        for kind in ("deb", "rpm"):
            subprocess.run(
                [nfpm, "package", "--packager", kind, "--config", description, "--target", folder.absolute()],
                env={**os.environ, "SOURCE_DATE_EPOCH": str(TIME)},
                stdout=subprocess.DEVNULL,
                check=True,
            )


def tree_files() -> Mapping[str, bytes]:
    """Every installed file, by path without the first slash."""
    library = {f"usr/lib/cachemon/{name}": content for name, content in bundle(_BUNDLED).items()}
    return {
        **library,
        _PROGRAM: (_FILES / "cachemon").read_bytes(),
        "usr/lib/systemd/system/cachemon-host.service": packaged_unit().encode(),
        "usr/lib/sysusers.d/cachemon-host.conf": (_FILES / "sysusers.conf").read_bytes(),
        _CONFFILE: (_FILES / "cachemon-host.default").read_bytes(),
        "usr/share/bash-completion/completions/cachemon": script("bash", "cachemon").encode(),
        "usr/share/zsh/site-functions/_cachemon": script("zsh", "cachemon").encode(),
        "usr/share/fish/vendor_completions.d/cachemon.fish": script("fish", "cachemon").encode(),
        _MAN_PAGE: host_man_page(),
        _COPYRIGHT: (_FILES / "copyright").read_bytes(),
        _LICENSE: (REPOSITORY / "LICENSE").read_bytes(),
        _CHANGES: gzip.compress((REPOSITORY / "CHANGELOG.md").read_bytes(), mtime=0),
    }


def packaged_unit() -> str:
    """The unit of the project with the paths, the settings and the pages of the package."""
    text = files("cachemon.host.agent").joinpath(UNIT).read_text(encoding="utf-8")
    text = text.replace("/usr/local/bin/cachemon ", "/usr/bin/cachemon ").replace(
        "\n[Unit]\n", f"\n[Unit]\n{_DOCUMENTATION}"
    )
    return text.replace("\n[Service]\n", f"\n[Service]\nEnvironmentFile=-/{_CONFFILE}\n{_SOCKET_GROUP}")


def packaging_changes(version: str) -> list[dict[str, Any]]:
    """The changelog of the packaging, as nfpm reads it: it points to the project's own.

    Args:
        version: of the packages.
    """
    day = release_day(version, (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))
    return [
        {
            "semver": f"{version}-1",
            "date": f"{day}T00:00:00Z",
            "packager": _MAINTAINER,
            "deb": {"urgency": "medium", "distributions": ["unstable"]},
            "changes": [{"note": f"/{_CHANGES} has the changes of this version."}],
        }
    ]


def nfpm_description(tree: Path, changes: Path, version: str) -> dict[str, Any]:
    """What nfpm reads.

    Args:
        tree: the folder with the installed files.
        changes: the file with the changelog of the packaging.
        version: of the packages.
    """
    contents = [
        {
            "src": str(path),
            "dst": f"/{name}",
            "file_info": {
                "mode": 0o755 if name == _PROGRAM else 0o644,
                "owner": "root",
                "group": "root",
                "mtime": _TIME,
            },
            **kind,
        }
        for path in sorted(tree.rglob("*"))
        if path.is_file()
        for name in [str(path.relative_to(tree))]
        for kind in _KINDS.get(name, ({},))
    ]
    contents += [
        {"dst": f"/{name}", "type": "dir", "packager": "rpm", "file_info": {"mode": 0o755, "mtime": _TIME}}
        for path in sorted(tree.rglob("*"))
        if path.is_dir()
        for name in [str(path.relative_to(tree))]
        if name.startswith(_OWN_FOLDERS)
    ]
    return {
        "name": NAME,
        "version": version,
        "release": "1",
        "arch": "all",
        "mtime": _TIME,
        "disable_globbing": True,
        "maintainer": _MAINTAINER,
        "changelog": str(changes),
        "description": "Cache and memory bandwidth of libvirt's domains\n"
        "A service and commands that show which domain holds the last-level cache of\n"
        "a host, by Linux's resctrl.",
        "homepage": "https://cachemon.dev",
        "license": "Apache-2.0",
        "section": "admin",
        "priority": "optional",
        "contents": contents,
        "scripts": {name: str(_FILES / f"{name}.sh") for name in ("postinstall", "preremove", "postremove")},
        "overrides": {
            "deb": {
                "depends": ["python3 (>= 3.11)", "python3-libvirt", "python3-lxml", "python3-yaml", "systemd"],
                "recommends": ["libvirt-daemon-system"],
            },
            "rpm": {
                "depends": ["python3 >= 3.11", "python3-libvirt", "python3-lxml", "python3-pyyaml", "systemd"],
                "rpm": {"group": "System/Monitoring"},
            },
        },
    }
