"""What a program gives to the page: the interface of a source."""

from dataclasses import dataclass
from typing import Protocol

from cachemon.web.page_history import PageHistory
from cachemon.web.page_state import LiveState, PageState, WhyAnswer


@dataclass(frozen=True, slots=True)
class Subject:
    """What a history is about.

    Attributes:
        node: name of a node; empty when it is about a VM.
        vm: `NAMESPACE/NAME` of a VM; empty when it is about a node.
    """

    node: str = ""
    vm: str = ""


class PageSource(Protocol):
    """Figures for the page. All methods run in the event loop; each may raise a CachemonError for people."""

    def state(self) -> PageState:
        """What is known now; at once, without a request to anybody."""

    async def history(self, subject: Subject, seconds: float) -> PageHistory | None:
        """Points and markers of the last `seconds`; None when nobody knows the subject."""

    async def why(self, vm: str) -> WhyAnswer | None:
        """The page of `why` about a VM, `NAMESPACE/NAME`; None when nobody knows the VM."""

    async def ask_live(self) -> LiveState:
        """Ask for fresh figures of what the page shows, for a while."""
