"""`python -m tools.release.versions`: whether everything that names the version of a release names the same one.

The source is `cachemon.__version__`, and wheels take it from there. `PLACES` has the files that can't: chart,
manifests, and pages that show it. The changelog has a section for it, of which the chart's annotations are made.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.repository import REPOSITORY
from tools.release.changelog import entries
from tools.release.chart_annotations import annotation_problems
from tools.release.reproducible import DAY

SOURCE = "operator/cachemon/__init__.py"

_SOURCE_LINE = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_RELEASE = re.compile(r"\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?")
_SECTION = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
_UNRELEASED = "Unreleased"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version stands outside of its source.

    Attributes:
        pattern: of file names, relative to the repository.
        found: matches each version in such a file, as its first group.
        needed: whether each such file must name it at least once.
    """

    pattern: str
    found: re.Pattern[str]
    needed: bool = True


PLACES = (
    Place("emulator/resctrl_emulator/__init__.py", _SOURCE_LINE),
    Place("charts/cachemon/Chart.yaml", re.compile(r"^version: \"?([^\"\s]+)", re.MULTILINE)),
    Place("charts/cachemon/Chart.yaml", re.compile(r"^appVersion: \"?([^\"\s]+)", re.MULTILINE)),
    Place("manifests/agent.yaml", re.compile(r"(?:cachemon-\w+:|app\.kubernetes\.io/version: \")([^\"\s]+)")),
    Place("manifests/operator.yaml", re.compile(r"(?:cachemon-\w+:|app\.kubernetes\.io/version: \")([^\"\s]+)")),
    Place(
        "docs/**/*.md",
        re.compile(r"(?:agent: version |cachemon-(?:agent|operator)[:-])(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)"),
        needed=False,
    ),
)


def source_version(text: str) -> str:
    """The version in the text of `SOURCE`; empty where there is none."""
    match = _SOURCE_LINE.search(text)
    return match[1] if match else ""


def differences(
    version: str, texts: Callable[[str], Mapping[str, str]], places: Sequence[Place] = PLACES
) -> Iterator[str]:
    """What names another version, or none, a line each.

    Args:
        version: of the source.
        texts: gives the texts of the files that a pattern matches, by name.
        places: to check.
    """
    if not _RELEASE.fullmatch(version):
        yield f"{SOURCE}: {version!r} is no version such as 0.1.0 or 0.2.0-rc.1"
    for place in places:
        files = texts(place.pattern)
        if not files and place.needed:
            yield f"{place.pattern}: there is no such file"
        for name, text in files.items():
            named = place.found.findall(text)
            if place.needed and not named:
                yield f"{name}: no version where {place.found.pattern} finds one"
            yield from (f"{name}: {other}, not {version}" for other in sorted({*named} - {version}))


def dated_sections(changelog: str) -> dict[str, str]:
    """The versions of a changelog with their dates, the newest first; an empty date before the release."""
    return {name: date for name, date in _SECTION.findall(changelog) if name != _UNRELEASED}


def changelog_problems(version: str, text: str, *, is_dated: bool) -> Iterator[str]:
    """What the changelog lacks for a release.

    Args:
        version: that is to be released.
        text: of the changelog.
        is_dated: whether the section must have its date: on the day of the release.
    """
    sections = dated_sections(text)
    if version not in sections:
        yield f"CHANGELOG.md: no section `## [{version}] - DATE`"
    elif is_dated and not sections[version]:
        yield f"CHANGELOG.md: section [{version}] has no date; write `## [{version}] - YYYY-MM-DD`"
    if version in sections and (newest := next(iter(sections))) != version:
        yield f"CHANGELOG.md: section [{newest}] stands above [{version}], the version of {SOURCE}"


def release_day(version: str, text: str) -> str:
    """The day of a version's section in the changelog, as YYYY-MM-DD; that of all files before it has one.

    Args:
        version: of the release.
        text: of the changelog.
    """
    return dict(_SECTION.findall(text)).get(version) or DAY


def tag_problems(version: str, tag: str) -> Iterator[str]:
    """Whether a tag is the one of a version: `v` and the version."""
    if tag and tag != f"v{version}":
        yield f"tag {tag}: the version of {SOURCE} is {version}, whose tag is v{version}"


def check(repository: Path, tag: str = "") -> list[str]:
    """All that must be put right before a release, a line each.

    Args:
        repository: a checkout.
        tag: that is released; empty before there is one.
    """

    def texts(pattern: str) -> dict[str, str]:
        return {
            str(path.relative_to(repository)): path.read_text(encoding="utf-8")
            for path in sorted(repository.glob(pattern))
        }

    version = source_version((repository / SOURCE).read_text(encoding="utf-8"))
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    (chart,) = texts("charts/cachemon/Chart.yaml").values()
    crds = [yaml.safe_load(text) for text in texts("crds/*.yaml").values()]
    return [
        *differences(version, texts),
        *changelog_problems(version, changelog, is_dated=bool(tag)),
        *annotation_problems(yaml.safe_load(chart), crds, entries(changelog, version)),
        *tag_problems(version, tag),
    ]


if __name__ == "__main__":
    problems = check(REPOSITORY, tag="".join(sys.argv[1:2]))
    print("\n".join(problems) or "every place names the same version")
    sys.exit(1 if problems else 0)
