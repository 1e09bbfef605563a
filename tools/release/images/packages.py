"""What is installed in an image: Debian's packages as dpkg records them, and Python's as pip does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from urllib.parse import quote

DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = "etc/os-release"

_OS_RELEASE_BEHIND = "usr/lib/os-release"
_METADATA = re.compile(r"opt/cachemon/.*\.dist-info/METADATA")
_INSTALLED = "install ok installed"


@dataclass(frozen=True, slots=True)
class Package:
    """One package.

    Attributes:
        name: in its ecosystem.
        version: there.
        purl: package URL, by which scanners find it.
        supplier: who maintains it; empty where it is not said.
        homepage: empty where it is not said.
        licence: as an SPDX expression; empty where it is not said as one.
    """

    name: str
    version: str
    purl: str
    supplier: str = ""
    homepage: str = ""
    licence: str = ""


def is_record(path: str) -> bool:
    """Whether a file of an image says what is installed."""
    return path in {DPKG_STATUS, OS_RELEASE, _OS_RELEASE_BEHIND} or bool(_METADATA.fullmatch(path))


def installed(records: Mapping[str, bytes]) -> Sequence[Package]:
    """All packages of an image.

    Args:
        records: files that `is_record` selects, by path.

    Raises:
        KeyError: the image has no record of dpkg or no release of Debian.
    """
    release = (records.get(OS_RELEASE) or records[_OS_RELEASE_BEHIND]).decode()
    debian = debian_packages(records[DPKG_STATUS].decode(), debian_version(release))
    python = [
        python_package(content.decode()) for path, content in sorted(records.items()) if _METADATA.fullmatch(path)
    ]
    return [*debian, *python]


def debian_version(os_release: str) -> str:
    """The number in os-release(5), such as 13; empty in testing, which has none."""
    match = re.search(r'^VERSION_ID="?([\d.]+)"?$', os_release, re.MULTILINE)
    return match[1] if match else ""


def debian_packages(status: str, release: str) -> list[Package]:
    """The installed packages in dpkg's status file, by name.

    Args:
        status: the text of /var/lib/dpkg/status.
        release: of Debian.
    """
    stanzas = (HeaderParser().parsestr(stanza) for stanza in re.split(r"\n{2,}", status) if stanza.strip())
    found = [_debian_package(stanza, release) for stanza in stanzas if stanza["Status"] == _INSTALLED]
    return sorted(found, key=lambda package: package.purl)


def _debian_package(stanza: Message, release: str) -> Package:
    name, version, architecture = (str(stanza[field]) for field in ("Package", "Version", "Architecture"))
    # Security advisories name source packages. `Source: glibc (2.41-12)` has a version where that differs.
    match = re.fullmatch(r"(\S+)(?: \((\S+)\))?", str(stanza["Source"] or name))
    source, source_version = (match[1], match[2] or version) if match else (name, version)
    purl = (
        f"pkg:deb/debian/{_quoted(name)}@{_quoted(version)}?arch={architecture}&distro=debian-{release}"
        f"&upstream={_quoted(source)}%40{_quoted(source_version)}"
    )
    return Package(name, version, purl, str(stanza["Maintainer"] or ""), str(stanza["Homepage"] or ""))


def python_package(metadata: str) -> Package:
    """The package that a METADATA file of an installed distribution describes."""
    about = HeaderParser().parsestr(metadata)
    name, version = str(about["Name"]), str(about["Version"])
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return Package(
        name, version, f"pkg:pypi/{normal}@{_quoted(version)}", licence=str(about["License-Expression"] or "")
    )


def _quoted(part: str) -> str:
    return quote(part, safe="~")
