"""`top` on a libvirt host: which domains hold the caches, by what its agent says."""

from argparse import Namespace
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cachemon.commands.ticks import ticks
from cachemon.commands.top_columns import BANDWIDTH, BLOCK, HELD, LOCAL, MOST, OF, WIDE_OF, text_column
from cachemon.commands.top_command import TopProgram, check_times, show_top, shown_columns
from cachemon.commands.top_output import DataForm
from cachemon.commands.top_table import Column, TopTable, build_table, freshest_of, sort_rows
from cachemon.commands.trends import Trends
from cachemon.commands.usage_rows import GroupRow, GuestRow, UsageRow
from cachemon.host.commands.host_csv import csv_head, csv_lines
from cachemon.host.commands.host_session import HostSession
from cachemon.host.commands.host_usage import HostBlockRow, HostUsage, report_age
from cachemon.host.commands.named_domains import named_domain
from cachemon.host.wire import HostReport
from cachemon.model.age import format_age
from cachemon.model.errors import CachemonError, InvalidInputError

_DOMAIN = text_column("DOMAIN", "domain", lambda row: row.guest)
_GROUP = text_column("GROUP", "group", lambda row: row.group)
_KEPT = text_column("KEPT", "kept", lambda row: row.source, leaves=2)

VIEWS: Mapping[str, tuple[type[UsageRow], Sequence[Column]]] = {
    "domain": (GuestRow, (_DOMAIN, HELD, WIDE_OF, BANDWIDTH, LOCAL)),
    "group": (GroupRow, (_DOMAIN, _GROUP, _KEPT, HELD, WIDE_OF, BANDWIDTH, LOCAL)),
    "block": (HostBlockRow, (BLOCK, HELD, OF, MOST)),
}
_NAMES_OF_DATA = {"guest": "domain", "source": "kept", "namespace": "", "node": ""}


@dataclass(frozen=True, slots=True)
class HostTop:
    """One run.

    Attributes:
        args: of the command.
        session: what it works with.
        wanted: UUIDs of the domains to show; empty for all.
        trends: what it has seen.
    """

    args: Namespace
    session: HostSession
    wanted: Collection[str]
    trends: Trends = field(default_factory=Trends)

    async def report(self) -> HostReport:
        """Of the domains to show."""
        report = await self.session.agent.domains()
        if not self.wanted:
            return report
        return replace(report, domains=tuple(it for it in report.domains if it.uuid in self.wanted))

    def rows(self, report: HostReport) -> Sequence[UsageRow]:
        """By what --by says."""
        usage = HostUsage(report, self.session.clock())
        if self.args.by == "block":
            return usage.blocks
        return usage.groups if self.args.by == "group" else usage.domains

    async def table(self) -> TopTable:
        """The table of now."""
        report = await self.report()
        rows = self.rows(report)
        self.trends.add(rows, self.args.interval, report.period_seconds)
        freshest = freshest_of(rows)
        columns = shown_columns(VIEWS[self.args.by][1], self.args, self.session, self.trends, freshest)
        return build_table(
            rows,
            columns,
            self.args.sort_by,
            freshest,
            remarks=self.remarks(report),
            renewal=self._renewal(report),
        )

    def remarks(self, report: HostReport) -> Sequence[str]:
        """What is wrong with the figures."""
        age = report_age(report, self.session.clock())
        problems = [report.problem, age.problem if age else ""]
        problems += [f"{domain.name}: {domain.problem}" for domain in report.domains if domain.problem]
        return [problem for problem in problems if problem]

    def _renewal(self, report: HostReport) -> str:
        age = report_age(report, self.session.clock())
        if age is None or age.is_ahead:
            return ""
        newest = format_age(max(0.0, age.seconds))
        return f"figures are renewed every {report.period_seconds:g}s, the newest {newest} ago"


async def run(args: Namespace, session: HostSession) -> int:
    """Show the table once, renew it until Ctrl-C, or print CSV over time.

    Raises:
        AgentUnreachableError: no agent answers.
        InvalidInputError: the options contradict each other, or the agent does not know of a domain that runs.
        DomainNotFoundError: there is no such domain.
    """
    check_times(args)
    if args.csv and args.output:
        raise InvalidInputError(f"--csv prints lines over time, and -o {args.output} a table: leave one of both out")
    if args.by == "block" and (args.csv or args.domain):
        raise InvalidInputError("--by block shows the host's caches: leave names of domains and --csv out")
    top = HostTop(args, session, await _uuids(args.domain, session) if args.domain else ())
    if args.csv:
        await print_csv(top, ticks(args.interval, args.duration))
        return 0
    hint = f"no domain runs that the agent knows of; see `{session.virsh} list --all`"
    form = DataForm(VIEWS[args.by][0], _NAMES_OF_DATA)
    return await show_top(top.table, args, session, TopProgram(f"cachemon host top, by {args.by}", form, hint))


async def _uuids(names: Sequence[str], session: HostSession) -> frozenset[str]:
    """Also of domains that do not run: they may start meanwhile."""
    report = await session.agent.domains()
    return frozenset([(await named_domain(name, report, session)).uuid for name in names])


async def print_csv(top: HostTop, times: AsyncIterable[object]) -> None:
    """Print each sample once; a later one that fails is a gap, and stderr says why."""
    session, is_first, before, trouble = top.session, True, "", ""
    columns = VIEWS[top.args.by][1]
    async for _ in times:
        try:
            report = await top.report()
            remarks = "\n".join(top.remarks(report))
        except CachemonError as err:
            if is_first:
                raise
            report, remarks = HostReport(), str(err)
        if remarks not in ("", trouble):
            session.remark(remarks)
        trouble = remarks
        if is_first and not top.args.no_headers:
            session.out.write(csv_head(by_group=top.args.by == "group"))
        if report.observed_time != before:
            session.out.write(csv_lines(sort_rows(top.rows(report), columns, top.args.sort_by)))
        before, is_first = report.observed_time or before, False
        session.out.flush()
        if top.args.once:
            break
