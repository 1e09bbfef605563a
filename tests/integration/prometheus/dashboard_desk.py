"""A real Prometheus that scrapes pages of known values, and the answers to the queries of a panel."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.prometheus import Prometheus, running
from lab.wait import until
from tests.integration.prometheus.metrics_pages import AGENT, OPERATOR, served
from tests.integration.prometheus.rule_files import one_panel, queries

NO_CLUSTER: Mapping[str, str] = {
    "cluster": "",
    "node": "node01",
    "namespace": "a",
    "name": "quiet",
    "cache_id": "0",
    "__rate_interval": "15s",
    "__range": "1h",
}
"""Values of the variables where no series has a label `cluster`; by a node and a VM of the pages."""

EVERY_CLUSTER: Mapping[str, str] = {**NO_CLUSTER, "cluster": ".*"}
"""The same on the page of the fleet."""

Page = tuple[str, str, str]
"""Name of a job, value of the label `cluster`, text."""

Answer = list[dict[str, Any]]


def agent(node: str) -> str:
    """The page of an agent with every kind of trouble."""
    return AGENT.replace("NODE", node)


def healthy(node: str) -> str:
    """The page of an agent with nothing to do."""
    return (
        f'cachemon_monitoring_available{{node="{node}"}} 1\n'
        f'cachemon_rmids{{node="{node}",use="total"}} 32\n'
        f'cachemon_rmids{{node="{node}",use="ours"}} 2\n'
        f'cachemon_rmids{{node="{node}",use="others"}} 0\n'
    )


ONE_CLUSTER: Sequence[Page] = (("x", "", agent("node01")), ("y", "", healthy("node02")), ("z", "", OPERATOR))


def values_for(uid: str, cluster: str = "") -> Mapping[str, str]:
    """Values of the variables of a dashboard for one cluster; empty: for series without such a label."""
    return {**NO_CLUSTER, "cluster": cluster or (".*" if uid == "cachemon-fleet" else "")}


class Desk:
    """Prometheus with pages that it scrapes."""

    def __init__(self, prometheus: Prometheus, pages: Sequence[ExitStack]) -> None:
        self.prometheus = prometheus
        self._pages = pages

    def until_scraped(self) -> None:
        """Wait until each page has been scraped three times."""
        counted = f"count(count_over_time(up[1m]) >= 3) == {len(self._pages)}"
        until("three scrapes of each page", lambda: self.prometheus.query(counted), seconds=60)

    def stop_page(self, number: int) -> None:
        """Stop serving one of the pages."""
        self._pages[number].close()

    def answers(self, uid: str, title: str, values: Mapping[str, str]) -> list[Answer]:
        """The answers to a panel's queries."""
        asked = [query for name, query in queries(uid, values) if name == title]
        assert asked
        return [self.prometheus.query(query) for query in asked]

    def one(self, uid: str, title: str, values: Mapping[str, str]) -> float:
        """The value of a panel that shows one."""
        [[found]] = self.answers(uid, title, values)
        return float(found["value"][1])

    def column(self, title: str, column: str, values: Mapping[str, str]) -> dict[tuple[str, ...], float]:
        """One column of a table of the fleet, by the other columns."""
        panel = one_panel("cachemon-fleet", title)
        renamed = panel["transformations"][1]["options"]["renameByName"]
        letters = [target["refId"] for target in panel["targets"]]
        number = letters.index(next(name for name in letters if renamed[f"Value #{name}"] == column))
        found = self.answers("cachemon-fleet", title, values)[number]
        return {tuple(it["metric"].values()): float(it["value"][1]) for it in found}


@contextmanager
def scraped(pages: Sequence[Page], folder: Path) -> Iterator[Desk]:
    """Serve pages, each as a target of its own, while the block runs; each has been scraped three times before."""
    with being_scraped(pages, folder) as desk:
        desk.until_scraped()
        yield desk


@contextmanager
def being_scraped(pages: Sequence[Page], folder: Path) -> Iterator[Desk]:
    """The same, without waiting for the scrapes."""
    with ExitStack() as stack:
        stacks = [stack.enter_context(ExitStack()) for _ in pages]
        scrapes = []
        for number, (own, (job, cluster, text)) in enumerate(zip(stacks, pages, strict=True)):
            target = {
                "targets": [own.enter_context(served(text))],
                "labels": {"cluster": cluster} if cluster else {},
            }
            scrapes.append({"job_name": f"{job}-{number}", "static_configs": [target]})
        prometheus = stack.enter_context(running(folder, {}, scrapes=scrapes))
        yield Desk(prometheus, stacks)
