"""The rights of the installer on OLM, made of the chart's objects.

It may handle the objects of the chart by their names, and nothing else. Kubernetes lets it grant only what it holds.
So it holds every right that the chart's roles give.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Rule = dict[str, list[str]]

GROUP = "cachemon.dev"
INSTALLATIONS = "cachemoninstallations"

_OWN_WORK: tuple[Rule, ...] = (
    {"apiGroups": [GROUP], "resources": [INSTALLATIONS], "verbs": ["get", "list", "patch", "update", "watch"]},
    {"apiGroups": [GROUP], "resources": [f"{INSTALLATIONS}/finalizers"], "verbs": ["update"]},
    {"apiGroups": [GROUP], "resources": [f"{INSTALLATIONS}/status"], "verbs": ["get", "patch", "update"]},
    # Helm keeps releases in Secrets, whose names have the number of the revision.
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},  # a Role gives it for its own namespace
)
_BY_NAME = ["delete", "get", "patch", "update"]
_WAITED_FOR = {"Job": ["list", "watch"]}
"""Helm waits for hooks of these kinds."""

_IRREGULAR = {"SecurityContextConstraints": "securitycontextconstraints"}
_GRANTING = ("ClusterRole", "Role")


@dataclass(frozen=True, slots=True)
class Rights:
    """Rules for an account.

    Attributes:
        cluster: in the whole cluster.
        own_namespace: in the account's namespace alone.
    """

    cluster: tuple[Rule, ...]
    own_namespace: tuple[Rule, ...]


def rights_for(objects: Iterable[Object]) -> Rights:
    """What an account needs that makes, changes and deletes these objects by Helm.

    Args:
        objects: of the chart, hooks included, all in the account's namespace or in none.
    """
    everything = list(objects)
    in_namespace = [item for item in everything if "namespace" in item["metadata"]]
    in_cluster = [item for item in everything if "namespace" not in item["metadata"]]
    return Rights(tuple(_sorted([*_rules_for(in_cluster)])), tuple(_sorted([*_OWN_WORK, *_rules_for(in_namespace)])))


def resource_of(kind: str) -> str:
    """The name of a kind in addresses, by the rule of `meta.UnsafeGuessKindToResource` of Kubernetes."""
    word = kind.lower()
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    if word.endswith("s"):
        return f"{word}es"
    return f"{word.removesuffix('y')}ies" if word.endswith("y") else f"{word}s"


def _rules_for(objects: Iterable[Object]) -> Iterator[Rule]:
    names: dict[tuple[str, str], set[str]] = {}
    for item in objects:
        group = item["apiVersion"].rpartition("/")[0]
        names.setdefault((group, item["kind"]), set()).add(item["metadata"]["name"])
        if item["kind"] in _GRANTING:
            yield from item["rules"]
    for (group, kind), named in names.items():
        resource = {"apiGroups": [group], "resources": [resource_of(kind)]}
        yield {**resource, "verbs": ["create"]}
        yield {**resource, "resourceNames": sorted(named), "verbs": sorted([*_BY_NAME, *_WAITED_FOR.get(kind, [])])}


def _sorted(rules: Sequence[Rule]) -> list[Rule]:
    """Each rule once, with one resource, in an order that only the rules decide."""
    single = [
        {**rule, "apiGroups": [group], "resources": [resource]}
        for rule in rules
        if "resources" in rule
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    other = [rule for rule in rules if "resources" not in rule]
    by_text = {json.dumps(rule, sort_keys=True): rule for rule in [*single, *other]}
    return [by_text[text] for text in sorted(by_text)]
