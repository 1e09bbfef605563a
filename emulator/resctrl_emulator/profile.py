"""The differences between kernels, as values.

Each comes from a transcript of that kernel (6.1.192, 7.3.4) or from its source.
"""

import errno
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """The behavior of one kernel where kernels differ."""

    name: str
    tasks_take_lists: bool
    """Comma-separated TIDs; an empty write does nothing instead of EINVAL; errors name the task (6.7)."""
    status_cleared_by_every_lock: bool
    """Every operation that locks a group clears last_cmd_status, reads too; before, only some writes did."""
    status_marks_truncation: bool
    """A last_cmd_status that overflowed its 512 bytes says so."""
    info_errors_explained: bool
    """Bad writes under info/ leave a text in last_cmd_status, and good ones clear it."""
    mkdir_in_info_errno: int
    limbo_for_clean_rmids: bool
    """A freed RMID always waits in limbo. Before 6.12 the cache block of the CPU that runs rmdir is skipped
    when the RMID holds little there, so with one block a clean RMID is free at once."""
    rmid_before_closid: bool
    """mkdir of a control group takes the RMID first, so "Out of RMIDs" wins over "Out of CLOSIDs"."""
    mbm_assign_mode: bool
    """info/L3_MON/mbm_assign_mode exists (6.18)."""
    sparse_masks: bool
    """info/L3/sparse_masks exists (6.7)."""
    renames: bool
    """MON groups can be renamed and moved (8da2b938eb7e, 6.5); before, rename(2) is EPERM."""
    modern_hardware: bool
    """The kernel has what came after 6.1: BMEC (6.3), SNC (6.11), ABMC (6.18)."""


PROFILES = {
    "7.3": Profile(
        name="7.3",
        tasks_take_lists=True,
        status_cleared_by_every_lock=True,
        status_marks_truncation=True,
        info_errors_explained=True,
        mkdir_in_info_errno=errno.ENODEV,
        limbo_for_clean_rmids=True,
        rmid_before_closid=False,
        mbm_assign_mode=True,
        sparse_masks=True,
        renames=True,
        modern_hardware=True,
    ),
    "6.1": Profile(
        name="6.1",
        tasks_take_lists=False,
        status_cleared_by_every_lock=False,
        status_marks_truncation=False,
        info_errors_explained=False,
        mkdir_in_info_errno=errno.EPERM,
        limbo_for_clean_rmids=False,
        rmid_before_closid=True,
        mbm_assign_mode=False,
        sparse_masks=False,
        renames=False,
        modern_hardware=False,
    ),
}
