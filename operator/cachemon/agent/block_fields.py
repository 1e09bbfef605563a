"""Status fields of a group's figures by cache block, and by NUMA node of it (Intel SNC). Pure."""

from collections.abc import Iterable
from typing import Any

from cachemon.engine.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC, BlockFigure, ShareFigure
from cachemon.model.numbers import exact
from cachemon.model.readings import VALID, CacheBlock, Missing


def block_figures(figures: Iterable[BlockFigure], shares: Iterable[ShareFigure]) -> list[dict[str, Any]]:
    """A group's figures of each cache block, with those of its NUMA nodes where the kernel has these."""
    by_block: dict[int, list[dict[str, Any]]] = {}
    for share in shares:
        node = {"id": share.share.numa_node} | _figures(share)
        by_block.setdefault(share.share.block_id, []).append(node)
    return [
        block_identity(figure.block)
        | _figures(figure)
        | ({"numaNodes": nodes} if (nodes := by_block.get(figure.block.id)) else {})
        for figure in figures
    ]


def _figures(figure: BlockFigure | ShareFigure) -> dict[str, Any]:
    status: dict[str, Any] = {}
    if isinstance(figure.occupancy, Missing):
        status["reading"] = str(figure.occupancy)
    else:
        status["reading"] = VALID
        if figure.occupancy is not None:
            status["occupancyBytes"] = exact(figure.occupancy)
    bandwidth = {
        field: exact(traffic.bytes_per_second)
        for event, field in ((TOTAL_TRAFFIC, "totalBytesPerSecond"), (LOCAL_TRAFFIC, "localBytesPerSecond"))
        if (traffic := figure.traffic.get(event)) and traffic.bytes_per_second is not None
    }
    if bandwidth:
        status["memoryBandwidth"] = bandwidth
    return status


def block_identity(block: CacheBlock) -> dict[str, Any]:
    """The level, id and capacity of a cache block."""
    status: dict[str, Any] = {"level": block.level, "id": block.id}
    if block.capacity_bytes is not None:
        status["capacityBytes"] = block.capacity_bytes
    return status
