"""Transcripts of the resctrl probe: what is compared, and what of it cannot be the same in two runs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

START, END = "## before mount", "## done"
KERNEL_LOG = re.compile(r"^\[ *\d+\.\d+\] ")
# A number of bytes that a counter showed, or how many digits it had, or how long something took.
VARYING = (
    (re.compile(r'^(.*read /\S*mon_data/\S+ -> OK )"\d+⏎"'), r'\1"N⏎"'),
    (re.compile(r'^((?:pread#\d|read \(cursor 0\)|lseek0\+read|pread 1 byte) -> )\d+ "\d+(⏎)?"'), r'\1N "N\2"'),
    (re.compile(r"(llc_occupancy|mbm_total_bytes|mbm_local_bytes)=\d+"), r"\1=N"),
    (re.compile(r"^(pwrite at off 100|O_APPEND write) -> \d+"), r"\1 -> N"),
    (re.compile(r"^two writes same fd -> \d+ \d+"), "two writes same fd -> N N"),
    (re.compile(r"^read same fd -> \d+"), "read same fd -> N"),
    (re.compile(r"^(\d+ groups) in \S+"), r"\1 in T"),
    (re.compile(r"^(200 preads:) \S+"), r"\1 T"),
    (re.compile(r"\(ret (\d+) of \1\)"), "(ret all)"),
    (re.compile(r"\(ret -1 of \d+\)"), "(ret -1)"),
    (re.compile(r'"((\d+,)\2{4,})[^"]*"'), r'"\2…"'),
    (re.compile(r"\\x00\d*"), "\\\\x00…"),
)
QUOTED = re.compile(r'"[^"]*"')
NUMBER = re.compile(r"(?<![\w/.-])(0x[0-9a-f]+|\d+)(?!\w)")
NAMED_NUMBER = re.compile(r"((?:\btask|\bpid|pid=|tgid=) ?)(\d+)")
SPOKEN_OF = {0, 1, 2, 999999, 99999999999}
"""Numbers that the probe itself writes; every other one is a PID."""
MANY_PIDS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript, and the section that it is in."""

    section: str
    text: str


def lines_of(text: str) -> list[Line]:
    """The probe's own lines, without what the kernel logged between them and what no two runs share but PIDs.

    Before the first section the machine booted; a transcript may leave out sections, the first one too.
    """
    lines: list[Line] = []
    section, inside = "", START not in text
    for raw in text.replace("\r", "").splitlines():
        inside = (inside or raw == START) and raw != END
        if not inside or not raw.strip() or KERNEL_LOG.match(raw):
            continue
        if raw.startswith("## "):
            section = raw.removeprefix("## ")
        shown = raw.replace("\\n", "⏎")
        for pattern, replacement in VARYING:
            shown = pattern.sub(replacement, shown)
        lines.append(Line(section, shown))
    return lines


def with_numbered_pids(lines: Iterable[Line]) -> list[Line]:
    """PIDs by the order in which they first appear: `<1>`, `<2>`, ..."""
    seen: dict[int, str] = {}

    def symbol(number: str) -> str:
        base = 16 if number.startswith("0x") else 8 if number.startswith("0") and number != "0" else 10
        value = int(number, base)
        if value in SPOKEN_OF:
            return number
        prefix = {16: "0x", 8: "0", 10: ""}[base]
        return prefix + seen.setdefault(value, f"<{len(seen) + 1}>")

    def in_quotes(match: re.Match[str]) -> str:
        content = match[0]
        if content.count("⏎") > MANY_PIDS:
            return '"many"'
        return NUMBER.sub(lambda number: symbol(number[1]), content)

    def numbered(text: str) -> str:
        text = NAMED_NUMBER.sub(lambda match: match[1] + symbol(match[2]), text)
        if "/tasks" in text or text.startswith("read same fd"):
            # A long list of all tasks is cut and has no end quote of its own.
            text = QUOTED.sub(in_quotes, text.removesuffix("..."))
        return text

    return [Line(line.section, numbered(line.text)) for line in lines]
