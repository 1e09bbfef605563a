"""libvirt's rules for `<cachetune>`, `<memorytune>` and their `<monitor>`s, and the RFC's for `<resmongroup>`. Pure.

Source: src/conf/domain_conf.c of libvirt 9.0 (virDomainResctrlParseVcpus, virDomainResctrlVcpuMatch,
virDomainResctrlValidateMonitor, virDomainResctrlMonDefParse). An absent `vcpus` stands for the whole QEMU process
since 2026 (9328b069). The messages are libvirt's and the RFC's, so that people find them on the web. Allocations of a
tune are counted, not checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import default_name
from cachemon.model.numbers import parse_count
from cachemon.model.vcpus import VcpuSet, parse_bitmap

_CACHE_LEVEL = 3
_MIXED = "XML error: Whole-process and per-vcpu resctrl allocations cannot be mixed"


class TuneKind(StrEnum):
    """The element that contains monitors."""

    CACHE = "cachetune"
    MEMORY = "memorytune"


class WholeProcess(StrEnum):
    """The value of an absent `vcpus`."""

    WHOLE_PROCESS = "whole process"


WHOLE_PROCESS = WholeProcess.WHOLE_PROCESS

Vcpus = VcpuSet | WholeProcess


@dataclass(frozen=True, slots=True)
class MonitorText:
    """The attributes of a `<monitor>`; None for an absent one."""

    vcpus: str | None
    level: str | None


@dataclass(frozen=True, slots=True)
class Monitor:
    """A valid monitor."""

    kind: TuneKind
    vcpus: Vcpus


@dataclass(slots=True)
class _Resctrl:
    """All tunes of the same vCPUs, which libvirt merges."""

    vcpus: Vcpus
    allocations: int = 0
    kinds: set[TuneKind] = field(default_factory=set)
    monitors: list[Monitor] = field(default_factory=list)


class Resctrls:
    """The tunes and groups of one domain, added in the order of the document, cachetunes first.

    vCPU numbers from `max_vcpus` on are ignored. What libvirt or the RFC refuses is an InvalidInputError with their
    message. Tunes of the whole process beside tunes of vCPUs are refused unless `takes_mix`: openEuler's libvirt has
    them.
    """

    def __init__(self, max_vcpus: int, *, takes_mix: bool = False) -> None:
        self.is_mixed = False
        self._max_vcpus = max_vcpus
        self._takes_mix = takes_mix
        self._resctrls: list[_Resctrl] = []
        self._groups: dict[str, VcpuSet] = {}

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """All monitors."""
        return tuple(monitor for resctrl in self._resctrls for monitor in resctrl.monitors)

    @property
    def mon_groups(self) -> tuple[Vcpus, ...]:
        """The vCPUs of each mon_group that libvirt makes for these monitors, each once.

        A monitor of all vCPUs of a real allocation has no mon_group: libvirt reads the control group
        (virResctrlMonitorDeterminePath).
        """
        found = (
            monitor.vcpus
            for resctrl in self._resctrls
            for monitor in resctrl.monitors
            if not (resctrl.allocations and monitor.vcpus == resctrl.vcpus)
        )
        return tuple(dict.fromkeys(found))

    @property
    def groups(self) -> dict[str, VcpuSet]:
        """The vCPUs of each `<resmongroup>`, by name."""
        return dict(self._groups)

    def add_tune(self, kind: TuneKind, vcpus: str | None, allocations: int, monitors: Iterable[MonitorText]) -> None:
        """Add a `<cachetune>` or `<memorytune>`."""
        wanted = WHOLE_PROCESS if vcpus is None else self._parse(kind, vcpus)
        if not wanted:
            return
        resctrl = self._match(wanted)
        if resctrl is not None and kind is TuneKind.CACHE and kind in resctrl.kinds:
            raise InvalidInputError("XML error: Identical vcpus in cachetunes found")
        if resctrl is None:
            resctrl = _Resctrl(wanted)
        resctrl.allocations += allocations
        for text in monitors:
            resctrl.monitors.append(self._monitor(kind, text, resctrl))
        resctrl.kinds.add(kind)
        if resctrl not in self._resctrls and (resctrl.allocations or resctrl.monitors):
            self._resctrls.append(resctrl)

    def add_group(self, vcpus: str | None, name: str | None) -> None:
        """Add a `<resmongroup>`. Its default name is that of the list as written."""
        if vcpus is None:
            raise InvalidInputError("XML error: Missing resmongroup attribute 'vcpus'")
        wanted = self._parse("resmongroup", vcpus)
        if not wanted:
            raise InvalidInputError("invalid argument: vcpus is empty")
        called = name if name is not None else default_name(vcpus.rstrip(", \t\n"))
        taken = called in self._groups or any(not wanted.isdisjoint(other) for other in self._groups.values())
        if taken or any(_overlap(wanted, resctrl.vcpus) and wanted != resctrl.vcpus for resctrl in self._resctrls):
            raise InvalidInputError("XML error: vcpus or group name conflicts with domain settings")
        self._groups[called] = wanted

    def _parse(self, element: str, text: str) -> VcpuSet:
        try:
            return parse_bitmap(text) & VcpuSet.below(self._max_vcpus)
        except InvalidInputError as err:
            raise InvalidInputError(f"XML error: Invalid {element} attribute 'vcpus' value '{text}'") from err

    def _match(self, wanted: Vcpus) -> _Resctrl | None:
        for resctrl in self._resctrls:
            if resctrl.vcpus == wanted:
                return resctrl
            if (resctrl.vcpus is WHOLE_PROCESS) != (wanted is WHOLE_PROCESS):
                if not self._takes_mix:
                    raise InvalidInputError(_MIXED)
                self.is_mixed = True
                continue
            if _overlap(resctrl.vcpus, wanted):
                raise InvalidInputError("XML error: Overlapping vcpus in resctrls")
        return None

    def _monitor(self, kind: TuneKind, text: MonitorText, resctrl: _Resctrl) -> Monitor:
        if kind is TuneKind.CACHE:
            _check_level(text.level)
        wanted = resctrl.vcpus if text.vcpus is None else self._parse("monitor", text.vcpus)
        if isinstance(wanted, WholeProcess):
            _check_whole_process(kind, resctrl)
        else:
            _check_monitor(kind, wanted, resctrl)
        return Monitor(kind, wanted)


def _check_level(text: str | None) -> None:
    if text is None:
        raise InvalidInputError("XML error: Missing required attribute 'level' in element 'monitor'")
    level = parse_count(text)
    if level is None:
        raise InvalidInputError(
            f"XML error: Invalid value for attribute 'level' in element 'monitor': '{text}'. "
            "Expected non-negative integer value"
        )
    if level != _CACHE_LEVEL:
        raise InvalidInputError(f"XML error: Invalid monitor cache level '{level}'")


def _check_whole_process(kind: TuneKind, resctrl: _Resctrl) -> None:
    if any(monitor.kind is kind and monitor.vcpus is WHOLE_PROCESS for monitor in resctrl.monitors):
        raise InvalidInputError("XML error: Duplicate whole-process monitor of the same resource type")
    if any(monitor.vcpus is not WHOLE_PROCESS for monitor in resctrl.monitors):
        raise InvalidInputError("XML error: Whole-process and explicit monitors cannot be mixed")


def _check_monitor(kind: TuneKind, wanted: VcpuSet, resctrl: _Resctrl) -> None:
    """Monitors of one type must differ, and different monitors must share no vCPU.

    Exception: the monitor of all vCPUs of a real allocation is the control group, and may have others below it.
    """
    if not wanted:
        raise InvalidInputError("invalid argument: vcpus is empty")
    if not isinstance(resctrl.vcpus, WholeProcess) and not wanted <= resctrl.vcpus:
        raise InvalidInputError("invalid argument: Monitor vcpus conflicts with allocation")
    if any(monitor.vcpus is WHOLE_PROCESS for monitor in resctrl.monitors):
        raise InvalidInputError("XML error: Whole-process and explicit monitors cannot be mixed")
    others = [monitor for monitor in resctrl.monitors if _overlap(monitor.vcpus, wanted)]
    if any(monitor.kind is kind and monitor.vcpus == wanted for monitor in others):
        raise InvalidInputError("invalid argument: Identical vcpus found in same type monitors")
    if resctrl.allocations:
        if wanted == resctrl.vcpus:
            return
        others = [monitor for monitor in others if monitor.vcpus != resctrl.vcpus]
    if any(monitor.vcpus != wanted for monitor in others):
        raise InvalidInputError("invalid argument: vcpus overlaps in resctrl groups")


def _overlap(one: Vcpus, other: Vcpus) -> bool:
    return not (isinstance(one, WholeProcess) or isinstance(other, WholeProcess) or one.isdisjoint(other))
