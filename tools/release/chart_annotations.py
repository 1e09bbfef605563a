"""Annotations that the chart of a release has for Artifact Hub, made of what is in the repository.

`charts/cachemon/Chart.yaml` has those that stay the same from version to version.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.release.changelog import Entry, entries

PREFIX = "artifacthub.io"
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Headings of Keep a Changelog; Artifact Hub takes them in lower case."""


def made_annotations(version: str, changelog: str, manifests: str, examples: Iterable[str]) -> dict[str, str]:
    """The annotations as Chart.yaml has them: lists written as YAML.

    Args:
        version: of the release.
        changelog: the text of CHANGELOG.md.
        manifests: what the chart renders by default.
        examples: texts of YAML files with objects of cachemon.
    """
    lists = {
        "images": [{"name": Path(image).name.partition(":")[0], "image": image} for image in images_of(manifests)],
        "changes": [_change(entry) for entry in entries(changelog, version)],
        "crdsExamples": _first_of_each_kind(examples),
    }
    return {
        f"{PREFIX}/{name}": yaml.safe_dump(items, sort_keys=False, allow_unicode=True, width=1000)
        for name, items in lists.items()
    }


def images_of(manifests: str) -> list[str]:
    """Every image of a container in some manifests, each once."""
    found = {
        container["image"]
        for item in filter(None, yaml.safe_load_all(manifests))
        for spec in [_pod_spec(item)]
        for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]
    }
    return sorted(found)


def annotation_problems(
    chart: Mapping[str, Any], crds: Iterable[Mapping[str, Any]], changes: Iterable[Entry]
) -> Iterator[str]:
    """What Artifact Hub would show that is not so, a line each.

    Args:
        chart: Chart.yaml.
        crds: the CustomResourceDefinitions of crds/.
        changes: of the version that is to be released.
    """
    named = yaml.safe_load(chart.get("annotations", {}).get(f"{PREFIX}/crds", "[]"))
    shown = {(item["kind"], item["version"], item["name"]) for item in named}
    there = {
        (crd["spec"]["names"]["kind"], version["name"], crd["metadata"]["name"])
        for crd in crds
        for version in crd["spec"]["versions"]
    }
    for kind, version, name in sorted(shown ^ there):
        where = "crds/" if (kind, version, name) in there else "Chart.yaml"
        yield f"charts/cachemon/Chart.yaml: {PREFIX}/crds: {kind} {version} {name} is in {where} alone"
    headings = [entry.heading for entry in changes]
    if not headings:
        yield "CHANGELOG.md: the section of the version has no entries; write `### Added` and `- ...`"
    for heading in sorted({*headings} - KINDS):
        yield f"CHANGELOG.md: heading {heading!r}; Artifact Hub knows {', '.join(sorted(KINDS))}"


def _pod_spec(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if item["kind"] == "Pod":
        return dict(item["spec"])
    template = item.get("spec", {}).get("template", {}) if item["kind"] in ("DaemonSet", "Deployment", "Job") else {}
    return dict(template.get("spec", {}))


def _change(entry: Entry) -> dict[str, Any]:
    links = [{"name": name, "url": url} for name, url in entry.links]
    return {"kind": entry.heading.lower(), "description": entry.text, **({"links": links} if links else {})}


def _first_of_each_kind(examples: Iterable[str]) -> list[Any]:
    first: dict[str, Any] = {}
    for text in examples:
        for item in filter(None, yaml.safe_load_all(text)):
            first.setdefault(item["kind"], item)
    return list(first.values())
