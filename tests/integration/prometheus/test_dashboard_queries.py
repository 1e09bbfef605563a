"""What the dashboards' queries answer, by a real Prometheus that scrapes pages of known values."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import pytest

from lab.prometheus import Tools
from lab.wait import until
from tests.integration.prometheus.dashboard_desk import (
    EVERY_CLUSTER,
    NO_CLUSTER,
    ONE_CLUSTER,
    Desk,
    Page,
    agent,
    being_scraped,
    healthy,
    values_for,
)
from tests.integration.prometheus.metrics_pages import AGENT, host_page
from tests.integration.prometheus.rule_files import HOSTS, OF_KUBEVIRT, queries

pytestmark = pytest.mark.timeout(240)
scraping = pytest.mark.parametrize

TWO_CLUSTERS: Sequence[Page] = (("x", "north", agent("node01")), ("x", "south", healthy("node01")))
SCRAPED_TWICE: Sequence[Page] = (*ONE_CLUSTER, ("again", "", agent("node01")))
NOTHING: Sequence[Page] = (("else", "", "another_program 1\n"),)
A_BLOCK_WITHOUT_FIGURE: Sequence[Page] = (
    (
        "x",
        "",
        "".join(it for it in agent("node01").splitlines(keepends=True) if 'name="quiet",cache_id="1"} 0' not in it),
    ),
)
A_HOST: Sequence[Page] = (("x", "", host_page(AGENT)),)

DESKS: Mapping[str, Sequence[Page]] = {
    "once": ONE_CLUSTER,
    "twice": SCRAPED_TWICE,
    "two clusters": TWO_CLUSTERS,
    "a block without figure": A_BLOCK_WITHOUT_FIGURE,
    "an agent that goes": ONE_CLUSTER,
    "nothing": NOTHING,
    "a host": A_HOST,
}


@pytest.fixture(scope="module")
def desks(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Desk]]:
    """All at once: each waits some seconds for its scrapes."""
    assert tools.prometheus.exists()
    with ExitStack() as stack:
        made = {
            name: stack.enter_context(being_scraped(pages, tmp_path_factory.mktemp("desk")))
            for name, pages in DESKS.items()
        }
        for desk in made.values():
            desk.until_scraped()
        yield made


@pytest.fixture
def desk(request: pytest.FixtureRequest, desks: Mapping[str, Desk]) -> Desk:
    """The one that the test names as parameter, scraped three times."""
    return desks[request.param]


@scraping("desk", ["once", "twice"], indirect=True)
def test_under_any_job_without_a_cluster_every_panel_has_its_figure_once(desk: Desk) -> None:
    for uid in OF_KUBEVIRT:
        assert [it for it in queries(uid, values_for(uid)) if not desk.prometheus.query(it[1])] == []
    fleet = {
        "Nodes monitored": 2,
        "Agents silent": 0,
        "Groups without figures": 7,
        "RMIDs free": 0,
        "VMs disturbed": 1,
        "VMs that lose cache": 1,
        "Objects left out": 0,
        "API server silent": 0,
    }
    assert {title: desk.one("cachemon-fleet", title, EVERY_CLUSTER) for title in fleet} == fleet
    # no RMID is free, groups have no figures, a VM is disturbed
    assert desk.column("Nodes, worst first", "Problems", EVERY_CLUSTER) == {("node01",): 3, ("node02",): 0}
    assert desk.column("Heaviest VMs", "Cache", EVERY_CLUSTER) == {
        ("loud", "a", "node01"): 550,
        ("quiet", "a", "node01"): 300,
    }
    assert desk.column("Verdicts", "Slowdown", EVERY_CLUSTER) == {("quiet", "a", "node01"): 0.25}
    [_, [unattributed], [capacity]] = desk.answers("cachemon-node", "Cache block $cache_id", NO_CLUSTER)
    assert (unattributed["value"][1], capacity["value"][1]) == ("100", "1000")
    assert desk.one("cachemon-vm", "Groups not monitored", NO_CLUSTER) == 1
    assert desk.one("cachemon-vm", "Verdict", NO_CLUSTER) == 3


@scraping("desk", ["two clusters"], indirect=True)
def test_nodes_of_one_name_in_two_clusters_are_two(desk: Desk) -> None:
    assert desk.column("Nodes, worst first", "Problems", EVERY_CLUSTER) == {
        ("north", "node01"): 3,
        ("south", "node01"): 0,
    }
    south = values_for("cachemon-node", "south")
    assert desk.one("cachemon-node", "RMIDs free", south) == 30
    assert desk.one("cachemon-node", "RMIDs free", {**south, "cluster": "north"}) == 0
    assert desk.one("cachemon-fleet", "Groups without figures", {**south, "cluster": "south"}) == 0


@scraping("desk", ["a block without figure"], indirect=True)
def test_a_sum_over_blocks_is_absent_while_a_block_has_no_figure(desk: Desk) -> None:
    for column in ("Cache", "Share of a block"):
        assert desk.column("Heaviest VMs", column, EVERY_CLUSTER).keys() == {("loud", "a", "node01")}
    assert desk.answers("cachemon-vm", "Cache", NO_CLUSTER) == [[]]
    assert desk.one("cachemon-vm", "Memory bandwidth", NO_CLUSTER) == 0
    [[block]] = desk.answers("cachemon-vm", "Cache by block", NO_CLUSTER)
    assert block["value"][1] == "300"


@scraping("desk", ["an agent that goes"], indirect=True)
def test_a_node_whose_agent_is_gone_is_silent_and_the_worst(desk: Desk) -> None:
    desk.stop_page(1)
    until("the agent is silent", lambda: desk.one("cachemon-fleet", "Agents silent", EVERY_CLUSTER) == 1)
    assert desk.one("cachemon-fleet", "Nodes monitored", EVERY_CLUSTER) == 1
    agents = desk.column("Nodes, worst first", "Agent", EVERY_CLUSTER)
    assert agents == {("node01",): 1, ("node02",): 0}
    assert desk.column("Nodes, worst first", "Problems", EVERY_CLUSTER) == {("node01",): 3, ("node02",): 1}


@scraping("desk", ["nothing"], indirect=True)
def test_where_nothing_is_scraped_no_panel_has_a_figure(desk: Desk) -> None:
    for uid in OF_KUBEVIRT:
        assert [it for it in queries(uid, values_for(uid)) if desk.prometheus.query(it[1])] == []


@scraping("desk", ["a host"], indirect=True)
def test_every_panel_of_libvirt_hosts_has_a_figure(desk: Desk) -> None:
    [up] = desk.prometheus.query("up")
    values = {**NO_CLUSTER, "instance": up["metric"]["instance"], "domain": "quiet"}
    assert [it for it in queries(HOSTS, values) if not desk.prometheus.query(it[1])] == []
    assert desk.one(HOSTS, "RMIDs free", values) == 0
    assert desk.one(HOSTS, "Groups without figures", values) == 7
