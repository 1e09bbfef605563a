import copy
from typing import Any

import pytest
import yaml

from cachemon import __version__
from tools.release.olm.bundle import bundle_files
from tools.release.olm.check import bundle_problems, check_bundle
from tools.release.olm.service_version import Images

CSV = "bundle/manifests/cachemon.clusterserviceversion.yaml"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(bundle_files(Images("registry.example.com", __version__))[CSV])
    return loaded


@pytest.fixture
def csv(made: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(made)


def test_the_bundle_of_this_checkout_is_in_order() -> None:
    assert check_bundle() == []


def test_another_version_is_named_with_its_place(csv: dict[str, Any]) -> None:
    csv["spec"]["version"] = "0.0.9"
    (problem,) = bundle_problems(csv, __version__, [])
    assert "spec.version is '0.0.9'" in problem


def test_a_bundle_replaces_the_release_before_it(csv: dict[str, Any]) -> None:
    assert "spec.replaces is ''" in next(bundle_problems(csv, __version__, ["0.0.9"]))
    csv["spec"]["replaces"] = "cachemon.v0.0.9"
    assert list(bundle_problems(csv, __version__, ["0.0.9"])) == []


def test_an_image_of_another_version_and_one_that_is_not_listed_are_named(csv: dict[str, Any]) -> None:
    first, *others = csv["spec"]["relatedImages"]
    csv["spec"]["relatedImages"] = [{"name": "x", "image": "registry.example.com/x:latest"}, *others]
    problems = "\n".join(bundle_problems(csv, __version__, []))
    assert "registry.example.com/x:latest, neither of version" in problems
    assert f"relatedImages lacks {first['image']}" in problems


def test_images_named_by_digest_are_those_of_the_pods() -> None:
    names = ("cachemon-agent", "cachemon-operator", "cachemon-installer")
    images = Images("registry.example.com", __version__, dict.fromkeys(names, DIGEST))
    csv = yaml.safe_load(bundle_files(images)[CSV])
    assert [it["image"] for it in csv["spec"]["relatedImages"]] == [
        f"registry.example.com/{name}@{DIGEST}"
        for name in ("cachemon-installer", "cachemon-agent", "cachemon-operator")
    ]
    assert csv["metadata"]["annotations"]["features.operators.openshift.io/disconnected"] == "true"
    assert list(bundle_problems(csv, __version__, [])) == []
