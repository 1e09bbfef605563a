from hypothesis import given
from hypothesis import strategies as st

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.release.changelog import Entry, entries

TEXT = """# Changelog

## [Unreleased]

### Added
- Not yet.

## [0.2.0] - 2027-01-02

### Added
- One line, see [the page](docs/page.md) and
  [another](https://example.org/).
- Two lines

  with a gap.

### Fixed
- `x` - y

## [0.1.0]

### Added
- Long ago.
"""


def test_a_section_is_read_entry_by_entry_with_links_that_lead_there_from_anywhere() -> None:
    links = (("the page", "https://cachemon.dev/docs/page.md"), ("another", "https://example.org/"))
    assert list(entries(TEXT, "0.2.0")) == [
        Entry("Added", "One line, see the page and another.", links),
        Entry("Added", "Two lines with a gap.", ()),
        Entry("Fixed", "`x` - y", ()),
    ]
    assert [entry.text for entry in entries(TEXT, "0.1.0")] == ["Long ago."]
    assert list(entries(TEXT, "0.3.0")) == []


def test_no_entry_of_this_repositorys_changelog_is_lost() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    section = changelog.partition(f"\n## [{__version__}]")[2].partition("\n## [")[0]
    found = list(entries(changelog, __version__))
    assert len(found) == section.count("\n- ") > 50
    words = " ".join(section.split())
    assert all(entry.text in words for entry in found if not entry.links)


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1), min_size=1))
def test_whatever_lines_an_entry_has_are_its_text(lines: list[str]) -> None:
    text = "\n  ".join(lines)
    (found,) = entries(f"\n## [1.0.0]\n\n### Added\n- {text}\n", "1.0.0")
    assert found.text == " ".join(lines)
