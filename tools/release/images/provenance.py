"""How an image came to be: an in-toto statement with SLSA's provenance, version 1."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tools.release.images.about import HOMEPAGE, Base, Checkout, source_address

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
_PAGE = f"{HOMEPAGE}/docs/guides/verify-the-images.md"
BUILD_TYPE = f"{_PAGE}#build-type"


def provenance(
    program: str,
    digest: str,
    checkout: Checkout,
    bases: Mapping[str, Base],
    purls: Sequence[str],
    *,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """The statement about an image of several architectures. It has no times, so that two builds agree.

    Args:
        program: `operator` or `agent`.
        digest: of its index, `sha256:...`.
        checkout: that it was built of.
        bases: that it was built on, by architecture.
        purls: of all packages that were installed.
        environment: GitHub's variables name the builder.
    """
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "source": checkout.source,
                "revision": checkout.revision,
                "program": program,
                "architectures": sorted(bases),
            },
            "internalParameters": {"SOURCE_DATE_EPOCH": checkout.time},
            "resolvedDependencies": [
                *_sources(checkout),
                *_bases(bases),
                *({"uri": purl} for purl in sorted(set(purls))),
            ],
        },
        "runDetails": {"builder": {"id": builder(environment)}, "metadata": {}},  # cosign would add it
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"cachemon-{program}", "digest": _digest(digest)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def builder(environment: Mapping[str, str]) -> str:
    """Who built: the workflow with its revision, or a machine that nobody vouches for."""
    workflow = environment.get("GITHUB_WORKFLOW_REF")
    if not workflow:
        return f"{_PAGE}#builder"
    return f"{source_address(environment).removesuffix('/' + environment['GITHUB_REPOSITORY'])}/{workflow}"


def _sources(checkout: Checkout) -> list[dict[str, Any]]:
    commit, _, dirty = checkout.revision.partition("-")
    if not commit or dirty:  # these sources are in no repository
        return []
    return [{"uri": f"git+{checkout.source}", "digest": {"gitCommit": commit}}]


def _bases(bases: Mapping[str, Base]) -> list[dict[str, Any]]:
    found = {base.name: base for base in bases.values()}
    return [{"name": "base", "uri": name, "digest": _digest(base.digest)} for name, base in sorted(found.items())]


def _digest(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
