from pathlib import Path
from typing import Any

import pytest
import yaml

import cachemon
from lab.repository import REPOSITORY
from tests.integration.chart.rendering import objects
from tools.manifests import CHART, made_files

BY_HAND = {"configurations", "kustomization.yaml", "namespace.yaml"}
KEEP = {"helm.sh/resource-policy": "keep"}
MADE = dict(made_files())


def documents(folder: Path) -> list[dict[str, object]]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml")))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def without_helms_own(item: dict[str, Any]) -> dict[str, Any]:
    """What Helm alone may say of an object: that Helm made it, and of which chart."""
    labels = item["metadata"]["labels"]
    assert labels.pop("app.kubernetes.io/managed-by") == "Helm"
    assert labels.pop("helm.sh/chart") == f"cachemon-{cachemon.__version__}"
    return item


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_made_file_is_what_make_manifests_would_write_now(path: Path) -> None:
    assert path.read_bytes() == MADE[path].encode(), "run make manifests"


def test_the_folders_hold_no_other_files() -> None:
    assert {path.name for path in (REPOSITORY / "manifests").iterdir()} - BY_HAND == {
        path.name for path in MADE if path.parent.name == "manifests"
    }
    assert {path.name for path in (CHART / "files/crds").iterdir()} == {
        path.name for path in (REPOSITORY / "crds").glob("*.yaml")
    }


def test_the_kustomization_has_every_file() -> None:
    kustomization = yaml.safe_load((REPOSITORY / "manifests/kustomization.yaml").read_text(encoding="utf-8"))
    files = {path.name for path in (REPOSITORY / "manifests").iterdir()} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files - {"configurations"} | {"../crds"}


def test_the_manifests_are_the_charts_default_rendering() -> None:
    def name(item: dict[str, object]) -> str:
        return f"{item['kind']} {item['metadata']['name']}"  # type: ignore[index]

    applied = [
        item for item in documents(REPOSITORY / "manifests") if item["kind"] not in ("Kustomization", "Namespace")
    ]
    hook = "helm.sh/hook"  # kubectl has none
    rendered = [
        without_helms_own(item)
        for item in objects()
        if item["kind"] != "CustomResourceDefinition" and hook not in item["metadata"].get("annotations", {})
    ]
    assert sorted(applied, key=name) == sorted(rendered, key=name)


@pytest.mark.parametrize("keep", [True, False])
def test_the_chart_gives_the_crds_as_they_are_and_keeps_them_if_asked(*, keep: bool) -> None:
    rendered = [item for item in objects({"crds.keep": keep}) if item["kind"] == "CustomResourceDefinition"]
    for item in rendered:
        assert item["metadata"].pop("annotations", {}) == (KEEP if keep else {})
    assert rendered == documents(REPOSITORY / "crds")


def test_without_crds_there_are_none() -> None:
    assert "CustomResourceDefinition" not in {item["kind"] for item in objects({"crds.enabled": False})}


def test_chart_and_programs_have_one_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["version"] == about["appVersion"] == cachemon.__version__
