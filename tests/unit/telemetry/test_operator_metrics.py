from prometheus_client import generate_latest

from cachemon.controller.decision import parse_stored_group
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit.controller.builders import condition, group_object


def test_groups_are_counted_by_ready_and_every_result_is_there_from_the_start() -> None:
    metrics = Metrics()
    statuses = [None, {"conditions": [condition("Ready")]}, {"conditions": [condition("Ready", "False")]}]
    groups = [parse_stored_group(group_object(status=status)) for status in statuses]
    metrics.show_groups(lambda: (group.ready for group in groups))
    metrics.count_write("ok")
    page = generate_latest(metrics.registry).decode()
    for line in (
        'cachemon_operator_groups{ready="True"} 1.0',
        'cachemon_operator_groups{ready="False"} 1.0',
        'cachemon_operator_groups{ready="Unknown"} 1.0',
        'cachemon_operator_writes_total{result="ok"} 1.0',
        'cachemon_operator_writes_total{result="refused"} 0.0',
    ):
        assert line in page
