"""A host and its domains as the page shows them, from what the agent reports. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachemon.commands.usage_rows import sum_known
from cachemon.commands.verdict_items import record_of_item
from cachemon.commands.verdict_record import Place, VerdictRecord
from cachemon.commands.why_texts import NOT_JUDGED
from cachemon.host.agent_status import AgentStatus
from cachemon.host.wire import BlockUse, DomainReport, HostBlock, HostReport
from cachemon.interference.verdicts import Judgement
from cachemon.model.age import Age, age_of
from cachemon.model.group_reports import BlockReport, GroupReport
from cachemon.model.reasons import Reason
from cachemon.model.times import read_time
from cachemon.model.vcpus import VcpuSet
from cachemon.web.page_state import (
    BlockState,
    GroupBlockState,
    GroupState,
    NodeState,
    RmidState,
    UndisturbedState,
    VmBlockState,
    VmState,
)
from cachemon.web.verdict_states import verdict_state

PERIOD_SECONDS = 10.0
"""An agent reads figures every second, more slowly while it is busy."""
_JUDGED_SECONDS = 30.0
_MONITORED = "Monitored"


@dataclass(frozen=True, slots=True)
class HostAnswers:
    """What the agent answered.

    Attributes:
        status: about itself.
        report: about the domains.
        verdicts: about verdicts (`cachemon.host.agent.verdicts_report`).
        problem: why it does not answer now; empty while it does.
    """

    status: AgentStatus
    report: HostReport = field(default_factory=HostReport)
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def age(self, now: float) -> Age | None:
        """Of the figures; None where there are none."""
        return age_of(self.report.observed_time, PERIOD_SECONDS, now)

    def why_stale(self, now: float) -> str:
        """Why no figure holds any more; empty when they do."""
        age = self.age(now)
        if age is not None and not age.is_stale:
            return ""
        return str(Reason.AGENT_NOT_REPORTING if self.problem or age is not None else Reason.WAITING_FOR_AGENT)


def vm_key(domain: str) -> str:
    """The page's name of a domain: keys have a namespace before a `/`, and domains have none."""
    return domain.replace("/", "%2F")


def host_state(answers: HostAnswers, host: str, now: float) -> NodeState:
    """The host.

    Args:
        answers: of its agent.
        host: its name.
        now: seconds since the epoch: figures that are old do not hold.
    """
    status, stale = answers.status, answers.why_stale(now)
    node = status.node
    unavailable = node.unavailable
    records = () if stale else sorted(_records(answers, host, now), key=lambda it: it.rank)
    ratio = None if stale else answers.verdicts.get("interferenceRatio")
    return NodeState(
        ready="Unknown" if stale else "False" if unavailable else "True",
        reason=stale or (str(unavailable.reason) if unavailable else ""),
        message=answers.problem or answers.report.problem,
        observed=read_time(answers.report.observed_time),
        period=PERIOD_SECONDS,
        agent=status.version,
        rmids=RmidState(ours=node.own_mon_groups, others=node.other_rmids, total=node.num_rmids)
        if node.num_rmids
        else None,
        interferenceRatio=None if ratio is None else float(ratio),
        blocks=[_block(block, answers.report.domains, stale) for block in answers.report.blocks],
        verdicts=[verdict_state(it) for it in records],
    )


def _records(answers: HostAnswers, host: str, now: float) -> Iterable[VerdictRecord]:
    age = age_of(answers.verdicts.get("observedTime", ""), _JUDGED_SECONDS, now)
    for block in answers.verdicts.get("cacheBlocks", ()):
        for item in block["verdicts"]:
            names = vm_key(item["victim"]), vm_key(item.get("suspect", ""))
            yield record_of_item(item, *names, Place(host, block["id"]), age)


def _own_verdicts(name: str, answers: HostAnswers, now: float) -> list[VerdictRecord]:
    return [it for it in _records(answers, "", now) if it.is_open and it.victim.name == vm_key(name)]


def _block(block: HostBlock, domains: Sequence[DomainReport], stale: str) -> BlockState:
    uses = [(domain, use.occupancy_bytes) for domain in domains for use in domain.uses if use.id == block.id]
    held = [] if stale else [(vm_key(domain.name), amount) for domain, amount in uses if amount]
    is_whole = not stale and all(amount is not None for _, amount in uses)
    monitored = sum(amount for _, amount in held) if is_whole else None
    occupancy = None if stale else block.occupancy_bytes
    return BlockState(
        id=block.id,
        capacity=block.capacity_bytes,
        occupancy=occupancy,
        monitored=monitored,
        # libvirt's monitors are read a moment later than the whole
        unattributed=None if occupancy is None or monitored is None else max(0, occupancy - monitored),
        reading=block.reading,
        reason=stale,
        holders=sorted(held, key=lambda it: (-it[1], it[0])),
    )


def domain_state(domain: DomainReport, answers: HostAnswers, host: str, now: float) -> VmState:
    """A running domain, without the places where it ran."""
    stale = answers.why_stale(now)
    capacities = {block.id: block.capacity_bytes for block in answers.report.blocks}
    uses = [BlockUse(use.id) for use in domain.uses] if stale else domain.uses
    lacking = next((group for group in domain.groups if group.state != _MONITORED), None)
    return VmState(
        node=host,
        ready="Unknown" if stale else "False" if lacking or domain.problem else "True",
        reason=stale or (lacking.reason or lacking.state if lacking else ""),
        message=domain.problem or (f"{lacking.group.name}: {lacking.message}" if lacking else ""),
        observed=read_time(answers.report.observed_time),
        period=PERIOD_SECONDS,
        occupancy=sum_known(use.occupancy_bytes for use in uses),
        atLeast=lacking is not None,
        bandwidth=sum_known(use.bytes_per_second for use in uses),
        blocks=[
            VmBlockState(
                id=use.id,
                occupancy=use.occupancy_bytes,
                capacity=capacities.get(use.id),
                bandwidth=use.bytes_per_second,
            )
            for use in uses
        ],
        groups=[_group(group, capacities, holds=not stale) for group in domain.groups],
        undisturbed=_undisturbed(domain.name, answers, now),
        places=(),
        verdicts=(),
    )


def _group(group: GroupReport, capacities: Mapping[int, int | None], *, holds: bool) -> GroupState:
    vcpus = str(VcpuSet.of(group.vcpus)) if group.vcpus else ""
    others = sorted(it.value for it in group.group.threads)
    return GroupState(
        object=group.kept,
        name=group.group.name,
        vcpus=", ".join(filter(None, (vcpus, *others))),
        state=group.state,
        reason=group.reason,
        message=group.message,
        blocks=[_group_block(block, capacities, holds=holds) for block in group.blocks],
    )


def _group_block(block: BlockReport, capacities: Mapping[int, int | None], *, holds: bool) -> GroupBlockState:
    return GroupBlockState(
        id=block.id,
        reading=block.reading,
        occupancy=block.occupancy_bytes if holds else None,
        capacity=capacities.get(block.id),
        bandwidth=block.total_rate if holds else None,
        localBandwidth=block.local_rate if holds else None,
    )


def _undisturbed(name: str, answers: HostAnswers, now: float) -> UndisturbedState | None:
    verdicts = answers.verdicts
    age = age_of(verdicts.get("observedTime", ""), _JUDGED_SECONDS, now)
    judgement = verdicts.get("judgements", {}).get(name)
    if judgement is None or age is None or age.is_stale:
        return None
    if judgement == Judgement.UNDISTURBED:
        return UndisturbedState(status="True", reason=judgement, message="")
    if judgement == Judgement.DISTURBED:
        worst = min(_own_verdicts(name, answers, now), key=lambda it: it.rank, default=None)
        reason, message = (worst.level, worst.evidence) if worst else (str(judgement), "")
        return UndisturbedState(status="False", reason=reason, message=message)
    text = NOT_JUDGED.get(judgement, judgement).format(name=name)
    return UndisturbedState(status="Unknown", reason=judgement, message=text)
