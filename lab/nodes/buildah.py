"""Container images without a container engine: built by buildah, kept as archives that containerd imports."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.program_cache import keep_newest
from lab.progress import Say

_KEPT_ARCHIVES = 5
_IN_A_MOUNT_NAMESPACE = ("unshare", "--mount", "--propagation=private")
"""A build that is killed leaves its layers mounted, and buildah then keeps the store mounted for ever."""
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class ImageError(RuntimeError):
    """An image could not be built."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of.

    Attributes:
        name: with registry and tag.
        containerfile: its instructions.
        context: folder that they copy from.
        sources: files and folders of it that count: another content is another image.
        target: the stage; the last where empty.
        arguments: its build arguments.
        options: more of `buildah build`; `--pull` among them replaces the default, which pulls nothing.
    """

    name: str
    containerfile: Path
    context: Path
    sources: Sequence[Path]
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def digest(self) -> str:
        """Of everything that goes in, 16 hexadecimal digits."""
        found = hashlib.sha256(repr((self.name, self.target, sorted(self.arguments.items()))).encode())
        for source in (self.containerfile, *self.sources):
            for path in _files(source):
                found.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
        return found.hexdigest()[:16]


class Buildah:
    """buildah with a store of its own, in the user's cache: nothing of the system's is touched.

    Args:
        folder: for store and archives.
        say: reports what takes long.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say

    def archive(
        self, recipe: Recipe, base_digest: str = "", form: str = "oci", prepare: Callable[[], None] = lambda: None
    ) -> Path:
        """The image as an archive, built if there is none yet.

        Args:
            recipe: of the image.
            base_digest: identifies the version of the base image.
            form: of the archive, `oci` or `docker`: Docker before version 25 loads only its own.
            prepare: fills the recipe's context, where the image is to be built.

        Raises:
            ImageError: with the end of buildah's output.
        """
        title = recipe.name.rpartition("/")[2].partition(":")[0]
        kept = self._folder / f"{title}-{recipe.digest()}{base_digest}.tar"
        if kept.exists():
            kept.touch()  # used now: others are dropped first
            return kept
        self._say(f"building image {recipe.name}")
        prepare()
        self.build(recipe)
        self.push(recipe.name, kept, form)
        keep_newest(self._folder, f"{title}-*.tar", _KEPT_ARCHIVES)
        return kept

    def build(self, recipe: Recipe) -> None:
        """Build an image into the store."""
        arguments = dict(recipe.arguments)
        volumes = []
        if _CERTIFICATES.exists():  # a company's own are in there
            arguments["PIP_CERT"] = str(_CERTIFICATES)
            volumes = [f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"]
        self.run(
            "build",
            *("--layers", "--isolation=chroot", "--network=host", "--pull=never", f"--tag={recipe.name}"),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *volumes,
            *([f"--target={recipe.target}"] if recipe.target else []),
            *recipe.options,
            f"--file={recipe.containerfile}",
            recipe.context,
        )

    def push(self, name: str, archive: Path, form: str = "oci") -> None:
        """Write an image of the store to an archive, `oci` or `docker`."""
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        self.run("push", "--quiet", name, f"{form}-archive:{part}:{name}")
        part.rename(archive)

    def import_tree(self, tree: Path, name: str) -> None:
        """Make an image of a folder."""
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, tree, "/")
        self.run("config", "--cmd=/bin/sh", "--env=PATH=/usr/sbin:/usr/bin:/sbin:/bin", container)
        self.run("commit", "--quiet", "--rm", container, name)

    def has(self, name: str) -> bool:
        """Whether the store has an image."""
        return bool(self.run("images", "--quiet", "--filter", f"reference={name}").strip())

    def run(self, *arguments: str | Path) -> str:
        """Run buildah.

        Raises:
            ImageError: it failed.
        """
        program = shutil.which("buildah")
        if program is None:
            raise ImageError("buildah is missing; make setup-cluster installs it for root")
        self._folder.mkdir(parents=True, exist_ok=True)
        store = [f"--root={self._folder / 'store'}", f"--runroot={self._folder / 'run'}"]
        done = subprocess.run(
            [*_IN_A_MOUNT_NAMESPACE, program, *store, *arguments],
            env={"STORAGE_DRIVER": "overlay", **os.environ, "TMPDIR": str(self._folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            output = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
            raise ImageError(f"buildah {arguments[0]} failed:\n{output}")
        return done.stdout


def _files(source: Path) -> Iterable[Path]:
    if source.is_file():
        return [source]
    found = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(found)
