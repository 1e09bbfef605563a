"""Images of a few bytes in a real registry on loopback: pushed, signed, attested, verified by cosign, and refused."""

import json
import os
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cachemon import __version__
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from tests.unit.tools.small_layouts import image_layout, layer
from tools.release.images.about import PROGRAMS, Base, Checkout
from tools.release.images.layout import Layout, join, pack
from tools.release.images.make import SUBFOLDER, names
from tools.release.images.programs import COSIGN, CRANE, find_or_build
from tools.release.images.provenance import PREDICATE_TYPE, provenance
from tools.release.images.publish import publish
from tools.release.images.sbom import bill_of_materials

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # cosign is built once: 8 minutes on 2 cores

CHECKOUT = Checkout(__version__, "5e27554" + "0" * 33, 1_796_000_000, "https://git.example/cachemon")
BASE = Base("debian:13-slim@sha256:ab", "sha256:ab", is_pulled=True)


@pytest.fixture(scope="module")
def cosign() -> Path:
    return found_or_skip(lambda: find_or_build(COSIGN), BinariesError)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Address of a registry that keeps its blobs below `tmp_path`."""
    crane = found_or_skip(lambda: find_or_build(CRANE), BinariesError)
    blobs = tmp_path / "registry"
    blobs.mkdir()
    command: list[str | Path] = [crane, "registry", "serve", "--address", "127.0.0.1:0", "--disk", blobs]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = (re.search(r"serving on port (\d+)", line) for line in process.stderr)
        yield next(f"127.0.0.1:{match[1]}/cachemon" for match in lines if match)
        process.terminate()


@pytest.fixture
def key(cosign: Path, tmp_path: Path) -> Path:
    """A private key; the public one is beside it."""
    return new_key(cosign, tmp_path / "keys")


def new_key(cosign: Path, folder: Path) -> Path:
    folder.mkdir()
    environment = {**os.environ, "COSIGN_PASSWORD": ""}
    subprocess.run([cosign, "generate-key-pair"], cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "cosign.key"


def small_release(folder: Path, content: bytes) -> dict[str, Layout]:
    """A release with images that hold one file, by program."""
    images = folder / SUBFOLDER
    images.mkdir(parents=True)
    made = {}
    for program in PROGRAMS:
        archive, bill, statement = names(program, __version__)
        files = [layer({"program": program.encode() + content})]
        layouts = {name: image_layout(folder / program / name, name, files) for name in ("amd64", "arm64")}
        joined = join(layouts, {}, folder / program / "joined", __version__)
        pack(joined, images / archive)
        for name, image in joined.images().items():
            document = bill_of_materials(program, name, image.digest, CHECKOUT, [])
            (images / (bill % name)).write_text(json.dumps(document))
        about = provenance(program, joined.top().digest, CHECKOUT, {"amd64": BASE, "arm64": BASE}, [], environment={})
        (images / statement).write_text(json.dumps(about))
        made[program] = joined
    return made


def verify(cosign: Path, public_key: Path, image: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [cosign, "verify", f"--key={public_key}", "--insecure-ignore-tlog", image]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def attested(cosign: Path, public_key: Path, image: str, kind: str) -> Any:
    command: list[str | Path] = [
        cosign,
        "verify-attestation",
        f"--key={public_key}",
        "--insecure-ignore-tlog",
        f"--type={kind}",
        image,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(b64decode(json.loads(done.stdout)["payload"]))


def test_an_image_is_pulled_by_digest_and_its_signature_holds_for_the_tag_and_each_architecture(
    cosign: Path, registry: str, key: Path, tmp_path: Path
) -> None:
    made = small_release(tmp_path / "release", b"1")
    published = publish(tmp_path / "release", registry, str(key))
    assert published == [f"{registry}/cachemon-{name}@{layout.top().digest}" for name, layout in made.items()]
    for name, layout in made.items():
        image = f"{registry}/cachemon-{name}"
        digests = [layout.top().digest, *(it.digest for it in layout.images().values())]
        for reference in (f"{image}:{__version__}", *(f"{image}@{digest}" for digest in digests)):
            done = verify(cosign, key.with_suffix(".pub"), reference)
            assert done.returncode == 0, done.stderr
        crane = find_or_build(CRANE)
        pulled = subprocess.run([crane, "manifest", f"{image}@{digests[0]}"], capture_output=True, check=True).stdout
        assert pulled == layout.path(digests[0]).read_bytes()


def test_bills_and_provenance_are_attested_as_they_are_in_the_release(
    cosign: Path, registry: str, key: Path, tmp_path: Path
) -> None:
    made = small_release(tmp_path / "release", b"1")["agent"]
    publish(tmp_path / "release", registry, str(key), ["agent"])
    image, public = f"{registry}/cachemon-agent", key.with_suffix(".pub")
    _, bill, statement = names("agent", __version__)
    for architecture, found in made.images().items():
        document = attested(cosign, public, f"{image}@{found.digest}", "spdxjson")["predicate"]
        assert document == json.loads((tmp_path / "release" / SUBFOLDER / (bill % architecture)).read_text())
    about = attested(cosign, public, f"{image}@{made.top().digest}", "slsaprovenance1")
    wanted = json.loads((tmp_path / "release" / SUBFOLDER / statement).read_text())
    assert about["predicateType"] == PREDICATE_TYPE
    assert about["predicate"] == wanted["predicate"]
    assert about["subject"][0]["digest"] == wanted["subject"][0]["digest"]


def test_another_image_under_the_tag_is_refused(cosign: Path, registry: str, key: Path, tmp_path: Path) -> None:
    small_release(tmp_path / "release", b"1")
    publish(tmp_path / "release", registry, str(key), ["agent"])
    other = small_release(tmp_path / "other", b"2")["agent"]
    tag = f"{registry}/cachemon-agent:{__version__}"
    subprocess.run([find_or_build(CRANE), "push", other.folder, tag], check=True, capture_output=True)
    done = verify(cosign, key.with_suffix(".pub"), tag)
    assert done.returncode != 0
    assert "no signatures found" in done.stderr


def test_a_signature_by_another_key_is_refused(cosign: Path, registry: str, key: Path, tmp_path: Path) -> None:
    small_release(tmp_path / "release", b"1")
    (image,) = publish(tmp_path / "release", registry, str(key), ["agent"])
    stranger = new_key(cosign, tmp_path / "stranger")
    assert verify(cosign, stranger.with_suffix(".pub"), image).returncode != 0


def test_bytes_that_were_changed_in_the_registry_are_refused(registry: str, key: Path, tmp_path: Path) -> None:
    made = small_release(tmp_path / "release", b"1")["agent"]
    publish(tmp_path / "release", registry, str(key), ["agent"])
    arm64 = made.images()["arm64"]

    def pulled(name: str) -> bool:
        image = f"{registry}/cachemon-agent@{arm64.digest}"
        pull: list[str | Path] = [find_or_build(CRANE), "pull", "--format=oci", image, tmp_path / name]
        return subprocess.run(pull, check=False, capture_output=True).returncode == 0

    assert pulled("intact")
    (file,) = made.json(arm64.digest)["layers"]
    (blob,) = (tmp_path / "registry").rglob(f"*{file['digest'].removeprefix('sha256:')}")
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    assert not pulled("tampered")


def test_a_release_is_published_again_but_never_changed(registry: str, key: Path, tmp_path: Path) -> None:
    small_release(tmp_path / "release", b"1")
    assert publish(tmp_path / "release", registry, str(key)) == publish(tmp_path / "release", registry, str(key))
    small_release(tmp_path / "other", b"2")
    with pytest.raises(SystemExit, match="next patch version"):
        publish(tmp_path / "other", registry, str(key))
