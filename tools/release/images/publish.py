"""`python -m tools.release.images.publish FOLDER REPOSITORY [KEY]`: brings a release's images to a registry, signed.

FOLDER is that of the release, REPOSITORY the part of the images' names before `/cachemon-operator`. Without KEY,
cosign signs by the identity of the workflow. An image gets its tag last: whoever pulls by tag finds it signed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cachemon import __version__
from tools.release.images.about import PROGRAMS
from tools.release.images.layout import Layout, unpack
from tools.release.images.make import SUBFOLDER, names
from tools.release.images.programs import run_cosign, run_crane


def publish(folder: Path, repository: str, key: str = "", programs: Sequence[str] = PROGRAMS) -> list[str]:
    """Push the images of a release, sign and attest them by digest, and tag them.

    Args:
        folder: of the release.
        repository: the names' part before `/cachemon-operator`.
        key: that cosign signs with; empty to sign by the workflow's identity, in the public log.
        programs: whose images.

    Returns:
        The names, each with its digest.

    Raises:
        SystemExit: another image has a tag already.
        CalledProcessError: crane or cosign failed; it has printed why.
    """
    return [_publish(folder / SUBFOLDER, f"{repository}/cachemon-{program}", program, key) for program in programs]


def _publish(images: Path, name: str, program: str, key: str) -> str:
    archive, bill, statement = names(program, __version__)
    with tempfile.TemporaryDirectory(prefix="cachemon-publish-") as work:
        layout = unpack(images / archive, Path(work, "layout"))
        digest = layout.top().digest
        refuse_another(f"{name}:{__version__}", digest)
        run_crane("push", layout.folder, f"{name}@{digest}")
        run_cosign("sign", *_by(key), "--recursive", f"{name}@{digest}")
        for architecture, image in layout.images().items():
            _attest(name, image.digest, "spdxjson", images / (bill % architecture), key)
        predicate = Path(work, "predicate.json")
        predicate.write_text(json.dumps(Layout.read_json(images / statement)["predicate"]), encoding="utf-8")
        _attest(name, digest, "slsaprovenance1", predicate, key)
        run_crane("tag", f"{name}@{digest}", __version__)
    return f"{name}@{digest}"


def refuse_another(tagged: str, digest: str) -> None:
    """Leave a tag alone that names another image: a release that has been published is never changed.

    Raises:
        SystemExit: it does.
    """
    try:
        found = run_crane("digest", tagged, is_quiet=True).strip()
    except subprocess.CalledProcessError:  # there is no such tag, or the push will say what is wrong
        return
    if found != digest:
        sys.exit(f"error: {tagged} is {found} already, not {digest}; release the next patch version")


def _attest(name: str, digest: str, kind: str, predicate: Path, key: str) -> None:
    run_cosign("attest", *_by(key), f"--type={kind}", f"--predicate={predicate}", f"{name}@{digest}")


def _by(key: str) -> list[str]:
    return ["--yes", f"--key={key}", "--tlog-upload=false"] if key else ["--yes"]


if __name__ == "__main__":
    print("\n".join(publish(Path(sys.argv[1]), *sys.argv[2:4])))
