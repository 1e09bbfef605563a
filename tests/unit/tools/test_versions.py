import re
import shutil
from pathlib import Path

import pytest

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.release.versions import PLACES, changelog_problems, check, differences, source_version, tag_problems

FILES = ("operator/cachemon/__init__.py", "emulator/resctrl_emulator/__init__.py", "CHANGELOG.md", "pyproject.toml")
FOLDERS = ("charts/cachemon", "crds", "manifests", "docs")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_this_repository_names_one_version_everywhere() -> None:
    assert check(REPOSITORY) == []
    assert source_version((REPOSITORY / FILES[0]).read_text()) == __version__


@pytest.mark.parametrize(
    "name",
    [
        "emulator/resctrl_emulator/__init__.py",
        "charts/cachemon/Chart.yaml",
        "manifests/agent.yaml",
        "manifests/operator.yaml",
        "docs/tour.md",
    ],
)
def test_a_place_that_was_forgotten_is_named(checkout: Path, name: str) -> None:
    replace(checkout / name, __version__, "0.0.9")
    assert check(checkout) == [f"{name}: 0.0.9, not {__version__}"]


def test_each_single_place_that_was_forgotten_is_named(checkout: Path) -> None:
    pages = {*checkout.rglob("*.md"), *checkout.glob("manifests/*.yaml"), checkout / "charts/cachemon/Chart.yaml"}
    of_history = {checkout / "CHANGELOG.md", checkout / "docs/stability.md"}  # these name versions of then
    found = 0
    for path in sorted(pages - of_history):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(rf"(?<![\w.]){re.escape(__version__)}(?![\w]|\.\d)", text):
            path.write_text(f"{text[: match.start()]}0.0.9{text[match.end() :]}", encoding="utf-8")
            assert [it for it in check(checkout) if "0.0.9" in it], (path, text[match.start() - 40 : match.end()])
            found += 1
        path.write_text(text, encoding="utf-8")
    assert found > len(PLACES)


def test_every_place_is_named_when_only_the_source_went_on(checkout: Path) -> None:
    replace(checkout / FILES[0], __version__, "7.8.9")
    found = "\n".join(check(checkout))
    needed = {place.pattern for place in PLACES if place.needed}
    assert all(name in found for name in (*needed, "CHANGELOG.md", "docs/tour.md"))


def test_a_kind_that_the_charts_annotations_lack_or_have_too_much_is_named(checkout: Path) -> None:
    path = checkout / "charts/cachemon/Chart.yaml"
    replace(path, "{kind: CacheMonitorNode, version: v1alpha1,", "{kind: CacheMonitorNode, version: v1,")
    found = check(checkout)
    assert len(found) == 2
    assert "CacheMonitorNode v1 cachemonitornodes.cachemon.dev is in Chart.yaml alone" in found[0]
    assert "CacheMonitorNode v1alpha1 cachemonitornodes.cachemon.dev is in crds/ alone" in found[1]


def test_a_changelog_that_artifact_hub_could_not_show_is_a_problem(checkout: Path) -> None:
    path = checkout / "CHANGELOG.md"
    section = path.read_text(encoding="utf-8").partition(f"## [{__version__}]")[2]
    replace(path, section, section.replace("### Added", "### New", 1))
    assert check(checkout) == [
        "CHANGELOG.md: heading 'New'; Artifact Hub knows Added, Changed, Deprecated, Fixed, Removed, Security"
    ]
    path.write_text(f"# Changelog\n\n## [{__version__}]\n\nNothing.\n", encoding="utf-8")
    assert check(checkout) == [
        "CHANGELOG.md: the section of the version has no entries; write `### Added` and `- ...`"
    ]


def test_a_file_that_is_gone_or_names_no_version_is_a_problem(checkout: Path) -> None:
    (checkout / "manifests/operator.yaml").unlink()
    (checkout / "manifests/agent.yaml").write_text("kind: DaemonSet\n")
    found = check(checkout)
    assert len(found) == 2
    assert found[0].startswith("manifests/agent.yaml: no version")
    assert found[1] == "manifests/operator.yaml: there is no such file"


def test_a_version_that_a_chart_or_a_tag_could_not_have_is_refused() -> None:
    assert list(differences("0.1", lambda _: {}, ())) == [
        "operator/cachemon/__init__.py: '0.1' is no version such as 0.1.0 or 0.2.0-rc.1"
    ]
    assert list(differences("0.2.0-rc.1", lambda _: {}, ())) == []


def test_the_changelog_has_a_section_for_the_version_on_top_and_a_date_on_the_day() -> None:
    undated, dated = "## [Unreleased]\n\n## [0.2.0]\n", "## [Unreleased]\n\n## [0.2.0] - 2027-01-02\n\n## [0.1.0]\n"
    assert list(changelog_problems("0.2.0", undated, is_dated=False)) == []
    assert re.search(r"has no date", "".join(changelog_problems("0.2.0", undated, is_dated=True)))
    assert list(changelog_problems("0.2.0", dated, is_dated=True)) == []
    assert list(changelog_problems("0.1.0", dated, is_dated=False)) == [
        "CHANGELOG.md: section [0.2.0] stands above [0.1.0], the version of operator/cachemon/__init__.py"
    ]
    assert list(changelog_problems("0.3.0", dated, is_dated=False)) == [
        "CHANGELOG.md: no section `## [0.3.0] - DATE`"
    ]


def test_a_tag_is_v_and_the_version() -> None:
    assert list(tag_problems("0.1.0", "v0.1.0")) == list(tag_problems("0.1.0", "")) == []
    assert list(tag_problems("0.1.0", "0.1.0"))
    assert list(tag_problems("0.1.0", "v0.1.1"))
