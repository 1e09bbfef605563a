from tests.unit.plugin.fake_api import NODES, Plugin, block, cmn, ready

MIB = 2**20


def test_nodes_show_their_caches_and_silent_agents() -> None:
    plugin = Plugin()
    plugin.api.put(NODES, cmn("node02", observed="2026-09-21T14:00:00Z"))
    plugin.api.put(NODES, cmn("node01", block(0, 16 * MIB), block(1, 16 * MIB)))
    off = ready("False", "ResctrlNotMounted", "mount it")
    plugin.api.put(NODES, cmn("node03", cacheBlocks=[], conditions=[off], rmids=None))
    done = plugin.run("nodes")
    assert [line.split() for line in done.out.splitlines()] == [
        ["NAME", "READY", "CACHE", "FILL", "RMIDS", "MOST", "REPORTED"],
        ["node01", "True", "32Mi/64Mi", "[#####.....]", "3/64", "-", "2s"],
        ["node02", "Unknown", "-", "-", "-", "-", "13m(old)"],
        ["node03", "False", "-", "-", "-", "-", "2s"],
    ]
    assert done.err.splitlines() == [
        "node02: AgentNotReporting; see `kubectl cachemon diagnose node02`",
        "node03: ResctrlNotMounted; see `kubectl cachemon diagnose node03`",
    ]


def test_a_time_in_the_future_and_an_uninstallation_are_named() -> None:
    plugin = Plugin()
    plugin.api.put(NODES, cmn("node01", block(0, MIB), observed="2026-09-21T14:23:20Z"))
    gone = ready("Unknown", "Uninstalled", "cachemon was uninstalled at noon")
    plugin.api.put(NODES, cmn("node02", block(0, MIB), conditions=[gone]))
    done = plugin.run("nodes", "--no-headers")
    assert [line.split() for line in done.out.splitlines()] == [
        ["node01", "True", "1.0Mi/32Mi", "[..........]", "3/64", "-", "10m(ahead)"],
        ["node02", "Unknown", "-", "-", "-", "-", "2s"],
    ]
    ahead, uninstalled = done.err.splitlines()
    assert ahead.startswith("node01: the time of the figures lies 10m in the future: the clock of the node")
    assert uninstalled.startswith("node02: Uninstalled; ")


def test_one_node_can_be_asked_for_in_every_form() -> None:
    plugin = Plugin()
    plugin.api.put(NODES, cmn("node01", block(0, MIB)))
    plugin.api.put(NODES, cmn("node02", block(0, MIB)))
    assert plugin.run("nodes", "node02", "--no-headers").out.startswith("node02 ")
    assert plugin.run("nodes", "-o", "name").out.splitlines() == [
        "cachemonitornode.cachemon.dev/node01",
        "cachemonitornode.cachemon.dev/node02",
    ]
    assert "llc_occupancy" in plugin.run("nodes", "-o", "wide").out
    assert "kind: List" in plugin.run("nodes", "-o", "yaml").out


def test_nodes_that_never_reported_are_named() -> None:
    assert "no agent has ever reported from a node `node09`" in Plugin().run("nodes", "node09").err
    assert "no agent runs" in Plugin().run("nodes").err
