"""The packed chart: what Artifact Hub shows of it, and where it takes its images from."""

from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.manifests import NAMESPACE, RELEASE
from tools.release.changelog import entries
from tools.release.chart_annotations import images_of
from tools.release.chart_archive import make_chart_archive
from tools.release.cluster_manifest import make_cluster_manifest

PUBLISHED = "registry.example.com/some/path"


def packed(folder: Path, registry: str) -> Path:
    folder.mkdir()
    make_chart_archive(folder, {"IMAGES": registry} if registry else {})
    return folder / f"charts/cachemon-{__version__}.tgz"


@pytest.fixture(scope="module", params=["", PUBLISHED], ids=["no registry", "a registry"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The packed chart, and the registry of its images."""
    return packed(tmp_path_factory.mktemp("chart") / "release", request.param), request.param or "localhost"


def annotations(path: Path) -> dict[str, Any]:
    with helm_python.Chart.load(path) as chart:
        about = chart.metadata["annotations"]
    prefix = "artifacthub.io/"
    return {key.removeprefix(prefix): yaml.safe_load(text) for key, text in about.items() if key.startswith(prefix)}


def test_the_images_are_those_that_it_renders_at_this_version(archive: tuple[Path, str]) -> None:
    path, registry = archive
    with helm_python.Chart.load(path) as chart:
        rendered = chart.render(name=RELEASE, namespace=NAMESPACE)
    texts = (text for name, text in rendered.items() if not name.endswith(".txt"))
    images = [f"{registry}/cachemon-{name}:{__version__}" for name in ("agent", "operator")]
    assert images_of("\n---\n".join(texts)) == images
    assert [item["image"] for item in annotations(path)["images"]] == images
    assert [item["name"] for item in annotations(path)["images"]] == ["cachemon-agent", "cachemon-operator"]


def test_the_changes_are_those_of_the_changelog(archive: tuple[Path, str]) -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    changes = annotations(archive[0])["changes"]
    assert [(item["kind"], item["description"]) for item in changes] == [
        (entry.heading.lower(), entry.text) for entry in entries(changelog, __version__)
    ]
    links = [link["url"] for item in changes for link in item.get("links", ())]
    assert links
    assert all(link.startswith("https://") for link in links)


def test_there_is_an_example_of_each_kind_that_people_write(archive: tuple[Path, str]) -> None:
    shown = annotations(archive[0])
    kinds = {item["kind"] for item in shown["crdsExamples"]}
    assert kinds == {item["kind"] for item in shown["crds"]} - {"CacheMonitorNode"}, "agents write those"


def test_values_and_readme_name_the_registry_and_nothing_else_is_changed(tmp_path: Path) -> None:
    def files(path: Path) -> dict[str, str]:
        with helm_python.Chart.load(path) as chart:
            values = chart.values
        readme = str(helm_python.show(str(path), output_format="readme"))
        return {"registry": values["image"]["registry"], "readme": readme}

    plain, published = files(packed(tmp_path / "a", "")), files(packed(tmp_path / "b", PUBLISHED))
    assert (plain["registry"], published["registry"]) == ("localhost", PUBLISHED)
    assert f'| `image.registry` | `"{PUBLISHED}"` |' in published["readme"]
    assert "can't be pulled" in plain["readme"]
    assert "can't be pulled" not in published["readme"]
    changed = [
        (old, new)
        for old, new in zip(plain["readme"].splitlines(), published["readme"].splitlines(), strict=True)
        if old != new
    ]
    assert len(changed) == 1


def test_the_manifest_for_kubectl_takes_the_images_from_the_same_place(tmp_path: Path) -> None:
    make_cluster_manifest(tmp_path, {"IMAGES": PUBLISHED})
    images = images_of((tmp_path / f"cachemon-{__version__}.yaml").read_text(encoding="utf-8"))
    assert images == [f"{PUBLISHED}/cachemon-{name}:{__version__}" for name in ("agent", "operator")]
