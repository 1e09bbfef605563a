"""The images of a release: what a node pulls, and what it keeps."""

import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cachemon import __version__
from lab.nodes.buildah import ImageError
from tests.bench.measure import Bench, CannotRunError, Figure
from tools.release.images.about import PROGRAMS
from tools.release.images.foreign import ARCHITECTURES
from tools.release.images.layout import Layout, unpack
from tools.release.images.make import SUBFOLDER, make_images, names

_FOLDER_VARIABLE = "CACHEMON_RELEASE"
_MIB = 1 << 20


def sizes(layout: Layout, architecture: str) -> tuple[float, float]:
    """MiB of an image's layers as they are pulled, and of the files in them."""
    layers = layout.json(layout.images()[architecture].digest)["layers"]
    unpacked = 0
    for layer in layers:
        with tarfile.open(layout.path(layer["digest"])) as members:
            unpacked += sum(member.size for member in members)
    return sum(layer["size"] for layer in layers) / _MIB, unpacked / _MIB


def run(_: int) -> Iterator[Figure]:
    """Four figures for each architecture that was built; there is no smaller image to try."""
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place:
        folder = Path(os.environ.get(_FOLDER_VARIABLE) or Path(place, "release"))
        if not folder.exists():
            try:
                make_images(folder)
            except ImageError as error:
                raise CannotRunError(str(error)) from error
        for program in PROGRAMS:
            layout = unpack(folder / SUBFOLDER / names(program, __version__)[0], Path(place, program))
            for architecture in sorted({*ARCHITECTURES} & {*layout.images()}):
                pulled, unpacked = sizes(layout, architecture)
                yield Figure(f"images.{program}_{architecture}_pulled_mib", pulled, "MiB")
                yield Figure(f"images.{program}_{architecture}_unpacked_mib", unpacked, "MiB")


BENCH = Bench(
    "images",
    f"Size of each image as it is pulled / unpacked on a node. ${_FOLDER_VARIABLE} is a release that is made already",
    run,
)
