"""What a file system in user space cannot give: the only lines in which the replay may differ, each with its reason.

A line that is not here must be equal. An entry that no line of a transcript needs any more fails the test, too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.integration.emulator.transcript import Line


@dataclass(frozen=True, slots=True)
class Unfaithful:
    """Lines of a kernel that are others here.

    Attributes:
        section: where they are.
        kernels: what it says, as a regular expression for the whole line.
        ours: what stands here in its place; None is no line at all.
        reason: why.
        only: a regular expression for the transcripts' names in which it must occur.
    """

    section: str
    kernels: str
    ours: str | None
    reason: str
    only: str = ".*"

    def matches(self, line: Line) -> bool:
        """Whether this is about a kernel's line."""
        return line.section == self.section and re.fullmatch(self.kernels, line.text) is not None


NOT_MOUNTED_YET = "the emulator is mounted when the replay starts; /sys/fs/resctrl is not its place"
FUSE_MOUNT = "mounting is FUSE's: fuse.resctrl, by a process, as often as wanted, options on its command line"
ONE_BY_PROCESS = "unmounting ends the process that is the file system; there is no next mount with its RMIDs"

UNFAITHFUL = (
    Unfaithful(
        "before mount", "/proc/filesystems: .*", None, "the type is fuse.resctrl, which is registered as fuse"
    ),
    Unfaithful("before mount", r"ls  \(dir .*", None, NOT_MOUNTED_YET),
    Unfaithful("before mount", "self.before mount. pid=.*", None, "/proc/PID/cpu_resctrl_groups is the kernel's own"),
    Unfaithful("mount", "mount -o .*", None, FUSE_MOUNT),
    Unfaithful("mount", "/proc/mounts: .*", None, FUSE_MOUNT),
    Unfaithful("mount", "umount2.*", None, FUSE_MOUNT),
    Unfaithful("mount", "second mount elsewhere .*", None, FUSE_MOUNT),
    Unfaithful(
        "mount",
        "statfs f_type=0x7655821 (.*)",
        r"statfs f_type=0x65735546 \1",
        "FUSE_SUPER_MAGIC: the kernel answers that by itself",
    ),
    Unfaithful(
        "tasks write",
        r'write /mon_groups/a/tasks "" -> OK \(ret all\)  \| status: "ok⏎"',
        'write /mon_groups/a/tasks "" -> OK (ret all)  | status: "Task list parsing error pid abc⏎"',
        "a write of no bytes never leaves the kernel's FUSE, so it cannot clear the status",
        only=r"(6\.12|7)\..*",
    ),
    Unfaithful(
        "tasks write",
        r'write /mon_groups/a/tasks "" -> EINVAL \(ret -1\)(.*)',
        r'write /mon_groups/a/tasks "" -> OK (ret all)\1',
        "a write of no bytes never leaves the kernel's FUSE, so it cannot be refused",
        only=r"(5|6\.1|6\.6)\..*",
    ),
    Unfaithful(
        "rmdir with tasks and open fds",
        r"(openat|mkdirat)\(kept dirfd\) -> ENOENT",
        r"\1(kept dirfd) -> ESTALE",
        "FUSE revalidates the directory before it looks into it, and libfuse has no path for it any more",
    ),
    Unfaithful(
        "rmdir with tasks and open fds",
        "fstat kept fd nlink=[01]",
        "fstat kept fd -> ESTALE",
        "FUSE asks for attributes by inode, and libfuse has forgotten the one that was removed",
    ),
    Unfaithful("umount", "umount2.*", None, ONE_BY_PROCESS),
    Unfaithful("umount", "kept fd after lazy umount .*", None, ONE_BY_PROCESS),
    Unfaithful("umount", "mount -o .*", None, ONE_BY_PROCESS),
    Unfaithful("umount", "ls .*", None, ONE_BY_PROCESS),
    Unfaithful("umount", "p (after umount )?pid=.*", None, ONE_BY_PROCESS),
    Unfaithful(
        "BMEC",
        'read /info/L3_MON/mbm_total_bytes_config -> OK "0=0x00;1=0x00⏎"',
        'read /info/L3_MON/mbm_total_bytes_config -> OK "0=0x03;1=0x03⏎"',
        "the recording machine's MSR reads 0 for want of the hardware; that of real hardware starts with all",
        only=".*-bmec",
    ),
)


def as_emulated(lines: Iterable[Line]) -> list[Line]:
    """A kernel's lines with those of the list taken out or exchanged."""
    result: list[Line] = []
    for line in lines:
        entry = next((each for each in UNFAITHFUL if each.matches(line)), None)
        if entry is None:
            result.append(line)
        elif entry.ours is not None:
            result.append(Line(line.section, re.sub(f"^{entry.kernels}$", entry.ours, line.text)))
    return result


def unused(name: str, lines: Iterable[Line]) -> list[Unfaithful]:
    """Entries of a transcript's sections that no line of it needs."""
    every = list(lines)
    sections = {line.section for line in every}
    return [
        entry
        for entry in UNFAITHFUL
        if re.fullmatch(entry.only, name)
        and entry.section in sections
        and not any(entry.matches(line) for line in every)
    ]
