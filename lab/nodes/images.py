"""The images that a real cluster of the lab needs: the project's own, QEMU's, and what Kubernetes itself wants."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.nodes.buildah import Buildah, Recipe
from lab.nodes.debian import base_image
from lab.program_cache import locked, user_cache
from lab.progress import Say, say_on_stderr
from lab.repository import REPOSITORY
from lab.vms import guest

TAG = "lab"
OPERATOR, AGENT, EMULATOR, VIRT_LAUNCHER, PAUSE = (
    f"localhost/cachemon-{name}:{TAG}" for name in ("operator", "agent", "emulator", "virt-launcher", "pause")
)

_HERE = Path(__file__).parent
_LAUNCHER_FILES = (
    "__init__.py", "vms/__init__.py", "vms/guest/__init__.py", "vms/pod_launcher.py", "vms/qemu_command.py",
    "vms/qmp.py", "vms/virt_launcher.py", "vms/cgroups.py", "repository.py", "speed.py", "wait.py",
)  # fmt: skip
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator/cachemon", "emulator", "requirements")


def build_images(say: Say = say_on_stderr, folder: Path | None = None) -> dict[str, Path]:
    """Every image as an archive, by name; built where sources or recipe have changed.

    Raises:
        ImageError: one could not be built.
    """
    folder = user_cache() / "images" if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(folder, say)
    with locked(folder / "lock", "the images", say), launcher_context() as context:
        base = base_image(buildah, folder, say)
        return {recipe.name: buildah.archive(recipe) for recipe in recipes(base, context)}


def recipes(base: str, launcher_context: Path) -> list[Recipe]:
    """What to build.

    Args:
        base: the image to start from.
        launcher_context: folder with all that goes into the image of QEMU.
    """
    sources = [REPOSITORY / source for source in _SOURCES]
    arguments = {"BASE": base}
    own = [
        Recipe(name, REPOSITORY / "Containerfile", REPOSITORY, sources, target, arguments)
        for name, target in ((OPERATOR, "operator"), (AGENT, "agent"), (EMULATOR, "emulator"))
    ]
    launcher = Recipe(
        VIRT_LAUNCHER, _HERE / "Launcher.Containerfile", launcher_context, [launcher_context], arguments=arguments
    )
    pause = Recipe(PAUSE, _HERE / "Pause.Containerfile", _HERE, [], arguments=arguments)
    return [*own, launcher, pause]


@contextmanager
def launcher_context() -> Iterator[Path]:
    """A folder with the lab's launcher and the guest's firmware: both are small, and change seldom."""
    with tempfile.TemporaryDirectory(prefix="cachemon-launcher-") as temporary:
        context = Path(temporary)
        for name in _LAUNCHER_FILES:
            (context / "lab" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / "lab" / name, context / "lab" / name)
        (context / "firmware.bin").write_bytes(guest.firmware(user_cache() / "guest"))
        yield context
