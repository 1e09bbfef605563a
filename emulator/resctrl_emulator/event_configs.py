"""What an MBM event counts, by cache block (AMD BMEC): mbm_total_bytes_config and mbm_local_bytes_config."""

import errno
import re
from collections.abc import Callable, Iterable

from resctrl_emulator.accounting import Accounting
from resctrl_emulator.machine import Machine
from resctrl_emulator.options import Options
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.transactions import default_transactions
from resctrl_emulator.workload import MBM_EVENTS

DECIMAL = re.compile(r"\+?[0-9]+")
HEXADECIMAL = re.compile(r"\+?(0[xX])?[0-9a-fA-F]+")


class EventConfigs:
    """The masks of memory transactions (mbm_config_show and mon_config_write of fs/resctrl/rdtgroup.c).

    Args:
        rmids: all that can be in use; a change makes the next reading of each Unavailable.

    Attributes:
        events: those that can be configured.
    """

    def __init__(
        self,
        options: Options,
        machine: Machine,
        status: CommandStatus,
        accounting: Accounting,
        rmids: Callable[[], Iterable[int]],
    ) -> None:
        self._machine = machine
        self._status = status
        self._accounting = accounting
        self._rmids = rmids
        self._supported = options.transactions
        self._masks: dict[tuple[int, str], int] = {}
        supported = options.event_configs
        self.events = tuple(event for event in options.events if event in MBM_EVENTS) if supported else ()

    def show(self, event: str) -> str:
        """`0=0x7f;1=0x7f`."""
        masks = (f"{domain}=0x{self._mask(domain, event):02x}" for domain in self._machine.online_domains)
        return ";".join(masks) + "\n"

    def store(self, event: str, text: str) -> None:
        """Set masks, as `0=0x33;1=0x1` and a newline. What came before a mistake stays.

        Raises:
            OSError: EINVAL.
        """
        self._status.clear()
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL, f"{event}_config: Invalid input\n")
        rest = text[:-1]
        while rest:
            item, _, rest = rest.partition(";")
            domain_text, _, mask_text = item.strip().partition("=")
            if not DECIMAL.fullmatch(domain_text):
                self._status.fail(errno.EINVAL, "Missing '=' or non-numeric domain id\n")
            if not HEXADECIMAL.fullmatch(mask_text):
                self._status.fail(errno.EINVAL, "Non-numeric event configuration value\n")
            self._set(int(domain_text), event, int(mask_text, 16))

    def domain_gone(self, domain: int) -> None:
        """A domain went offline; it returns with the defaults."""
        self._masks = {key: mask for key, mask in self._masks.items() if key[0] != domain}

    def _set(self, domain: int, event: str, mask: int) -> None:
        if mask & ~self._supported:
            limit = f"Invalid event configuration: max valid mask is 0x{self._supported:02x}\n"
            self._status.fail(errno.EINVAL, limit)
        if domain not in self._machine.online_domains:
            self._status.fail(errno.EINVAL)
        if mask != self._mask(domain, event):
            self._masks[domain, event] = mask
            self._accounting.configure(domain, event, mask, self._rmids())

    def _mask(self, domain: int, event: str) -> int:
        return self._masks.get((domain, event), default_transactions(event, self._supported))
