import pytest

from tests.integration.emulator.transcript import Line, lines_of, with_numbered_pids
from tests.integration.emulator.unfaithful import UNFAITHFUL, as_emulated, unused


def texts(*lines: str) -> list[str]:
    return [line.text for line in with_numbered_pids(lines_of("\n".join(["## tasks write", *lines])))[1:]]


def test_only_the_programs_own_lines_count() -> None:
    text = (
        "boot\r\n## before mount\r\n[    1.440108] resctrl: x\r\nls a\r\n\r\n## mount\r\nls b\r\n## done\r\noff\r\n"
    )
    assert lines_of(text) == [
        Line("before mount", "## before mount"),
        Line("before mount", "ls a"),
        Line("mount", "## mount"),
        Line("mount", "ls b"),
    ]


def test_pids_are_numbered_by_their_first_appearance_in_any_base_and_length() -> None:
    small = ('child pid=51 x="y\\n"', 'write /mon_groups/a/tasks "0x33\\n" -> OK (ret 5 of 5)  | status: "ok\\n"')
    large = (
        'child pid=70000 x="y\\n"',
        'write /mon_groups/a/tasks "0x11170\\n" -> OK (ret 8 of 8)  | status: "ok\\n"',
    )
    assert texts(*small) == texts(*large)
    assert texts(*small)[1] == 'write /mon_groups/a/tasks "0x<1>⏎" -> OK (ret all)  | status: "ok⏎"'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('read /mon_groups/a/tasks -> OK "51\\n52\\n"', 'read /mon_groups/a/tasks -> OK "52\\n51\\n"'),
        ('read /mon_groups/a/tasks -> OK "51\\n"', 'read /mon_groups/a/tasks -> OK ""'),
        ("mkdir /c1 -> EPERM", "mkdir /c1 -> EACCES"),
        ('x | status: "No task 51\\n"', 'x | status: "No task 52\\n"'),
        ('write /cpus "1\\n" -> OK (ret 2 of 2)', 'write /cpus "1\\n" -> OK (ret 1 of 2)'),
        ('read /mon_data/mon_L3_00/x -> OK "1\\n"', 'read /mon_data/mon_L3_00/x -> OK "Error\\n"'),
        ('write /mon_groups/a/tasks "0\\n"', 'write /mon_groups/a/tasks "51\\n"'),
    ],
)
def test_what_matters_stays_different(one: str, other: str) -> None:
    before = ("child pid=51 x", "child pid=52 x")
    assert texts(*before, one) != texts(*before, other)


def test_only_listed_lines_are_exchanged_and_listed_lines_that_are_missing_are_found() -> None:
    lines = lines_of('## BMEC\nread /info/L3_MON/mbm_total_bytes_config -> OK "0=0x00;1=0x00\\n"\nother\n')
    assert [line.text for line in as_emulated(lines)][1:] == [
        'read /info/L3_MON/mbm_total_bytes_config -> OK "0=0x03;1=0x03⏎"',
        "other",
    ]
    assert unused("x-bmec", lines) == []
    assert [entry.section for entry in unused("x-bmec", [lines[0], lines[2]])] == ["BMEC"]
    assert unused("x-snc", [lines[0]]) == []


def test_every_difference_has_its_reason() -> None:
    assert all(len(entry.reason) > 20 for entry in UNFAITHFUL)
