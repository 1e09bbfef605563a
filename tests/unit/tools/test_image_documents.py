import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from lab.repository import REPOSITORY
from tools.release.images.about import HOMEPAGE, Base, Checkout, labels, read_checkout
from tools.release.images.packages import (
    Package,
    debian_packages,
    debian_version,
    installed,
    is_record,
    python_package,
)
from tools.release.images.provenance import builder, provenance
from tools.release.images.sbom import bill_of_materials
from tools.release.reproducible import TIME

COMMIT = "5e275540000000000000000000000000000000aa"
CHECKOUT = Checkout("0.1.0", COMMIT, 1_796_000_000, "https://git.example/cachemon")
PULLED = Base("debian:13-slim@sha256:ab", "sha256:ab", is_pulled=True)
MADE = Base("localhost/base:trixie", "sha256:cd", is_pulled=False)
DIGEST = "sha256:" + "a1" * 32
STATUS = """Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc
Version: 2.41-12+deb13u1
Homepage: https://www.gnu.org/software/libc/libc.html
Description: GNU C Library
 Contains the standard libraries.

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libpython3-stdlib
Status: install ok installed
Architecture: amd64
Source: python3-defaults (3.13.5-1)
Version: 1:3.13.5-1+b1
"""
METADATA = """Metadata-Version: 2.4
Name: Prometheus_Client
Version: 0.26.0
License-Expression: Apache-2.0 AND BSD-2-Clause

# Name: in the readme
"""
RECORDS = {
    "var/lib/dpkg/status": STATUS.encode(),
    "usr/lib/os-release": b'NAME="Debian GNU/Linux"\nVERSION_ID="13"\n',
    "opt/cachemon/lib/python3.13/site-packages/prometheus_client-0.26.0.dist-info/METADATA": METADATA.encode(),
}
PURLS = [
    "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13&upstream=glibc%402.41-12%2Bdeb13u1",
    (
        "pkg:deb/debian/libpython3-stdlib@1%3A3.13.5-1%2Bb1?arch=amd64&distro=debian-13"
        "&upstream=python3-defaults%403.13.5-1"
    ),
    "pkg:pypi/prometheus-client@0.26.0",
]


def bill() -> dict[str, Any]:
    return bill_of_materials("agent", "arm64", DIGEST, CHECKOUT, installed(RECORDS))


def test_labels_say_what_was_built_of_what() -> None:
    found = {
        name.removeprefix("org.opencontainers.image."): it for name, it in labels("agent", CHECKOUT, PULLED).items()
    }
    assert found.pop("description")
    assert found == {
        "title": "cachemon-agent",
        "version": "0.1.0",
        "revision": COMMIT,
        "created": "2026-11-30T00:53:20Z",
        "source": "https://git.example/cachemon",
        "url": HOMEPAGE,
        "documentation": f"{HOMEPAGE}/docs",
        "vendor": "cachemon",
        "licenses": "Apache-2.0",
        "base.name": "debian:13-slim",
        "base.digest": "sha256:ab",
    }


def test_labels_leave_out_what_is_not_known() -> None:
    found = labels("operator", Checkout("0.1.0", "", TIME, HOMEPAGE), MADE)
    assert {"revision", "base.name", "base.digest"} & {name.rpartition("image.")[2] for name in found} == set()


def test_a_checkout_is_described_by_its_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message=first", "--date=@1700000000")
    commit, time = git("rev-parse", "HEAD"), int(git("log", "-1", "--format=%ct"))
    assert read_checkout(tmp_path, {}).revision == commit
    assert read_checkout(tmp_path, {}).time == time
    (tmp_path / "file").write_text("2")
    assert read_checkout(tmp_path, {}).revision == f"{commit}-dirty"
    assert read_checkout(tmp_path, {"SOURCE_DATE_EPOCH": "1800000000"}).time == 1_800_000_000


def test_sources_without_a_repository_have_the_time_of_every_archive(tmp_path: Path) -> None:
    found = read_checkout(tmp_path, {})
    assert (found.revision, found.time, found.source) == ("", TIME, HOMEPAGE)


def test_packages_are_those_that_dpkg_and_pip_have_installed() -> None:
    assert [it.purl for it in installed(RECORDS)] == PURLS
    assert [it.name for it in installed(RECORDS)] == ["libc6", "libpython3-stdlib", "Prometheus_Client"]


def test_python_packages_keep_their_licence_and_debian_ones_their_maintainer() -> None:
    (libc, *_, prometheus) = installed(RECORDS)
    assert prometheus.licence == "Apache-2.0 AND BSD-2-Clause"
    assert libc.supplier == "GNU Libc Maintainers <debian-glibc@lists.debian.org>"
    assert libc.homepage == "https://www.gnu.org/software/libc/libc.html"
    assert python_package("Name: a\nVersion: 1\nLicense: see the file\n").licence == ""


def test_this_machines_own_record_of_dpkg_is_read() -> None:
    status = Path("/var/lib/dpkg/status")
    if not status.exists():
        pytest.skip("no dpkg here")
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\n"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    found = debian_packages(status.read_text(encoding="utf-8"), "12")
    assert sorted(f"installed {it.name} {it.version}" for it in found) == sorted(
        line for line in listed if line.startswith("installed ")
    )


@pytest.mark.parametrize(
    ("text", "version"), [('VERSION_ID="13"\n', "13"), ("VERSION_ID=12.1\n", "12.1"), ("ID=debian\n", "")]
)
def test_the_release_of_debian_is_that_of_os_release(text: str, version: str) -> None:
    assert debian_version(f'NAME="x"\n{text}') == version


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        *((path, True) for path in RECORDS),
        ("opt/cachemon/lib/python3.13/site-packages/idna-3.dist-info/RECORD", False),
        ("var/lib/dpkg/status-old", False),
    ],
)
def test_records_are_the_files_that_say_what_is_installed(path: str, *, wanted: bool) -> None:
    assert is_record(path) == wanted


def test_a_bill_lists_the_image_and_its_packages_and_nothing_else() -> None:
    image, *contents = bill()["packages"]
    assert image["name"] == "cachemon-agent"
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "a1" * 32}]
    assert [it["externalRefs"][0]["referenceLocator"] for it in contents] == PURLS
    contained = [it["relatedSpdxElement"] for it in bill()["relationships"] if it["relationshipType"] == "CONTAINS"]
    assert contained == [it["SPDXID"] for it in contents]


def test_a_bill_is_valid_spdx(tmp_path: Path) -> None:
    path = tmp_path / "bill.spdx.json"
    path.write_text(json.dumps(bill()))
    assert validate_full_spdx_document(parse_file(str(path))) == []


def test_packages_of_one_name_are_apart_in_a_bill() -> None:
    twins = [Package("a b", version, f"pkg:deb/debian/a@{version}") for version in "12"]
    document = bill_of_materials("agent", "amd64", DIGEST, CHECKOUT, twins)
    assert len({it["SPDXID"] for it in document["packages"]}) == 3


def test_provenance_names_the_sources_the_base_and_the_packages() -> None:
    statement = provenance("agent", DIGEST, CHECKOUT, {"amd64": PULLED, "arm64": PULLED}, PURLS, environment={})
    assert statement["subject"] == [{"name": "cachemon-agent", "digest": {"sha256": "a1" * 32}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["architectures"] == ["amd64", "arm64"]
    source, base, *packages = definition["resolvedDependencies"]
    assert source == {"uri": "git+https://git.example/cachemon", "digest": {"gitCommit": COMMIT}}
    assert base == {"name": "base", "uri": "debian:13-slim@sha256:ab", "digest": {"sha256": "ab"}}
    assert [it["uri"] for it in packages] == PURLS


def test_provenance_names_no_commit_for_files_that_are_in_none() -> None:
    dirty = Checkout("0.1.0", f"{COMMIT}-dirty", TIME, HOMEPAGE)
    statement = provenance("agent", DIGEST, dirty, {"amd64": MADE}, [], environment={})
    (base,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert base["digest"] == {"sha256": "cd"}


def test_the_builder_is_the_workflow_or_any_machine() -> None:
    workflow = {
        "GITHUB_SERVER_URL": "https://git.example",
        "GITHUB_REPOSITORY": "owner/cachemon",
        "GITHUB_WORKFLOW_REF": "owner/cachemon/.github/workflows/release.yaml@refs/tags/v0.1.0",
    }
    assert builder(workflow) == "https://git.example/owner/cachemon/.github/workflows/release.yaml@refs/tags/v0.1.0"
    page, _, heading = builder({}).removeprefix(f"{HOMEPAGE}/").partition("#")
    headings = [
        line.lstrip("# ").lower() for line in (REPOSITORY / page).read_text().splitlines() if line.startswith("#")
    ]
    assert heading in headings
