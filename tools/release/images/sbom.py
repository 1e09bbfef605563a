"""The bill of materials of one image, as SPDX 2.3 in JSON: what it contains, and nothing else."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tools.release.images.about import HOMEPAGE, Checkout
from tools.release.images.packages import Package

_NOT_SAID = "NOASSERTION"
_IMAGE = "SPDXRef-Image"
_MAINTAINER = re.compile(r"(.+?) <(.+)>")


def bill_of_materials(
    program: str, architecture: str, digest: str, checkout: Checkout, packages: Sequence[Package]
) -> dict[str, Any]:
    """The document.

    Args:
        program: `operator` or `agent`.
        architecture: of the image.
        digest: of its manifest, `sha256:...`.
        checkout: that it was built of.
        packages: that are installed in it.
    """
    title = f"cachemon-{program}"
    image = {
        "SPDXID": _IMAGE,
        "name": title,
        "versionInfo": checkout.version,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}],
        "externalRefs": [_purl(f"pkg:oci/{title}@{quote(digest, safe='')}?arch={architecture}")],
        **_said("Organization: cachemon", HOMEPAGE, "Apache-2.0"),
    }
    contents = [_package(number, package) for number, package in enumerate(packages, 1)]
    return {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "dataLicense": "CC0-1.0",
        "name": f"{title}-{checkout.version}-{architecture}",
        "documentNamespace": f"{HOMEPAGE}/spdx/{title}-{checkout.version}-{architecture}-{digest.partition(':')[2]}",
        "creationInfo": {"created": checkout.created, "creators": ["Organization: cachemon", "Tool: tools.release"]},
        "packages": [image, *contents],
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", it["SPDXID"]) for it in contents),
        ],
    }


def _package(number: int, package: Package) -> dict[str, Any]:
    match = _MAINTAINER.fullmatch(package.supplier)
    supplier = f"Organization: {match[1]} ({match[2]})" if match else _NOT_SAID
    return {
        "SPDXID": f"SPDXRef-{number}-{re.sub(r'[^A-Za-z0-9.]', '-', package.name)}",
        "name": package.name,
        "versionInfo": package.version,
        "externalRefs": [_purl(package.purl)],
        **_said(supplier, package.homepage, package.licence),
    }


def _said(supplier: str, homepage: str, licence: str) -> dict[str, Any]:
    return {
        "supplier": supplier,
        "downloadLocation": _NOT_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": _NOT_SAID,
        "licenseDeclared": licence or _NOT_SAID,
        "copyrightText": _NOT_SAID,
        **({"homepage": homepage} if homepage else {}),
    }


def _purl(locator: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _relationship(subject: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": other}
