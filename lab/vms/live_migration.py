"""A live migration between two QEMUs, step by step as virt-handler drives it through libvirt.

QEMU's own words (docs/devel/migration.rst): pre-copy copies memory while the guest runs on the source; post-copy
lets it run on the target before its memory is there, and fetches pages as they are touched.
"""

import os

from lab.vms.vm import VirtualMachine, VirtualMachineError
from lab.wait import GaveUpError, until

_SLOW, _FAST = 16 << 10, 1 << 30
"""Bytes per second. A guest of 32 MiB that touches little is copied in half a second, if nothing holds it back."""

_MIGRATION_SECONDS = 60
_ARRIVAL_SECONDS = 20
_OVER = ("completed", "failed", "cancelled")


class LiveMigration:
    """The move of a running guest.

    Args:
        source: runs it.
        target: not started yet; its hardware is the source's.
    """

    def __init__(self, source: VirtualMachine, target: VirtualMachine) -> None:
        self.source = source
        self.target = target

    def prepare(self) -> None:
        """Start the target with all its vCPUs; it waits for the guest."""
        self.target.start_as_migration_target()

    def begin(self, *, held_back: bool = False, post_copy: bool = False) -> None:
        """Let the source copy memory.

        Args:
            held_back: so slowly that it does not end before it is asked to.
            post_copy: allow `switch_to_post_copy`.
        """
        monitor = self.source.monitor
        if held_back:
            monitor.execute("migrate-set-parameters", max_bandwidth=_SLOW, max_postcopy_bandwidth=_SLOW)
        if post_copy:
            for machine in (self.source, self.target):
                capability = {"capability": "postcopy-ram", "state": True}
                machine.monitor.execute("migrate-set-capabilities", capabilities=[capability])
        self.target.monitor.execute("migrate-incoming", uri="unix:migration")
        monitor.execute(
            "migrate", uri=f"unix:{os.path.relpath(self.target.folder / 'migration', self.source.folder)}"
        )
        until("the copying to begin", lambda: self._state in ("active", *_OVER), seconds=_MIGRATION_SECONDS)

    def switch_to_post_copy(self) -> None:
        """Let the guest run on the target; the source stays, with the memory that is not there yet."""
        self.source.monitor.execute("migrate-start-postcopy")
        until("post-copy", lambda: self._state in ("postcopy-active", *_OVER), seconds=_MIGRATION_SECONDS)
        self._let_the_guest_go_on()

    def complete(self) -> None:
        """Wait until all is on the target, where the guest runs on, and end the source.

        Raises:
            VirtualMachineError: QEMU gave up; the guest still runs on the source.
        """
        self.source.monitor.execute("migrate-set-parameters", max_bandwidth=_FAST, max_postcopy_bandwidth=_FAST)
        state = self._end()
        if state != "completed":
            raise VirtualMachineError(f"the migration of {self.source.pod.vmi_name} {state}")
        self._let_the_guest_go_on()
        self.source.stop()

    def fail(self) -> None:
        """The target's QEMU dies; the guest never left the source."""
        self.target.kill()
        self._stayed("failed")

    def cancel(self) -> None:
        """Stop the copying; the target's QEMU ends, and the guest never left the source."""
        self.source.monitor.execute("migrate_cancel")
        self._stayed("cancelled")
        self.target.stop()

    @property
    def _state(self) -> str:
        return str(self.source.monitor.execute("query-migrate").get("status", ""))

    def _end(self) -> str:
        try:
            return until("the migration to end", lambda: self._over, seconds=_MIGRATION_SECONDS)
        except GaveUpError as error:
            raise VirtualMachineError(str(error)) from error

    @property
    def _over(self) -> str:
        state = self._state
        return state if state in _OVER else ""

    def _stayed(self, expected: str) -> None:
        state, status = self._end(), self.source.guest_status
        if (state, status) != (expected, "running"):
            raise VirtualMachineError(f"the migration of {self.source.pod.vmi_name} {state}, its guest is {status}")

    def _let_the_guest_go_on(self) -> None:
        """Both sides were started with -S: the guest's next owner lets it go on."""
        until("the guest to arrive", lambda: self.target.guest_status != "inmigrate", seconds=_ARRIVAL_SECONDS)
        if self.target.guest_status != "running":
            self.target.unpause()
