import hashlib
from importlib.resources import files

VENDORED = files("cachemon.web") / "assets" / "vendor" / "uPlot"


def checksums() -> dict[str, str]:
    lines = (VENDORED / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def test_the_vendored_plotting_library_is_as_it_was_published() -> None:
    found = {name: hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() for name in checksums()}
    assert found == checksums()


def test_every_vendored_file_has_a_checksum_or_says_where_the_files_come_from() -> None:
    there = {entry.name for entry in VENDORED.iterdir()}
    assert there == {*checksums(), "SHA256SUMS", "NOTICE"}


def test_the_notice_names_the_version_that_is_there() -> None:
    version = (VENDORED / "NOTICE").read_text().split()[1]
    assert f"(v{version})" in (VENDORED / "uPlot.esm.js").read_text()[:400]
