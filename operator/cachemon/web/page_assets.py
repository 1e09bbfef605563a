"""The files of the page, from the package. Nothing else is served: the list is made once, at the start."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from cachemon.model.errors import InvalidInputError

INDEX = "index.html"

_TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page.

    Attributes:
        media_type: for the header Content-Type.
        content: its bytes.
        compressed: the same with gzip.
    """

    media_type: str
    content: bytes
    compressed: bytes


def read_assets(folder: Traversable | None = None) -> dict[str, Asset]:
    """The assets by their path in the folder: `main.js`, `vendor/plot.js`. Files of other types are left out.

    Args:
        folder: where they are; None for those of this package.

    Raises:
        InvalidInputError: there is no page, as where somebody left the files out of a package.
    """
    root = files("cachemon.web") / "assets" if folder is None else folder
    found = {
        path: Asset(media_type, content := entry.read_bytes(), gzip.compress(content, mtime=0))
        for path, entry in _walk(root)
        if (media_type := _TYPES.get(path.rpartition(".")[2]))
    }
    if INDEX not in found:
        raise InvalidInputError(f"the page's files are missing in {root}: install cachemon again")
    return found


def _walk(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{before}{entry.name}/")
        else:
            yield before + entry.name, entry
