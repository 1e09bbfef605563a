from cachemon.engine.figures import BlockFigure, Figures, NodeBlockFigure, Traffic
from cachemon.host.agent.hour_points import hour_points
from cachemon.host.agent.kept_hour import HourPoint
from cachemon.host.agent.report import HostSample
from cachemon.host.history_wire import SeriesKey
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing
from tests.unit.host.builders import BLOCKS, UUID, WEB, layout_of, mon_group, running, well


def test_blocks_come_first_then_domains_then_groups() -> None:
    figures = (BlockFigure(BLOCKS[0], 5, {"mbm_total_bytes": Traffic(9, 3)}),)
    node = NodeBlockFigure(BLOCKS[0], 99, 5), NodeBlockFigure(BLOCKS[1], Missing.ERROR, 0)
    sample = HostSample(
        layout_of(running(WEB), well(WEB, mon_group(1))),
        Figures(groups={GroupKey(UUID, "web"): figures}, guests={"vm1": figures}, node=node),
    )
    assert list(hour_points(sample)) == [
        HourPoint(SeriesKey("", "", "", 0), 99, None),
        HourPoint(SeriesKey("", "", "", 8), None, None),
        HourPoint(SeriesKey("vm1", "", "", 0), 5, 3),
        HourPoint(SeriesKey("vm1", "config", "web", 0), 5, 3),
    ]
