from prometheus_client.parser import text_string_to_metric_families

from cachemon import __version__
from cachemon.controller.decision import parse_stored_group
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit.controller.builders import condition, group_object
from tests.unit.telemetry.open_metrics import families_of


def metrics() -> Metrics:
    made = Metrics()
    statuses = [None, {"conditions": [condition("Ready")]}, {"conditions": [condition("Ready", "False")]}]
    groups = [parse_stored_group(group_object(status=status)) for status in statuses]
    made.show_groups(lambda: (group.ready for group in groups))
    made.count_write("ok")
    return made


def test_groups_are_counted_by_ready_and_every_result_is_there_from_the_start() -> None:
    page = metrics().prepare()().decode()
    for line in (
        'cachemon_operator_groups{ready="True"} 1',
        'cachemon_operator_groups{ready="False"} 1',
        'cachemon_operator_groups{ready="Unknown"} 1',
        'cachemon_operator_writes_total{result="ok"} 1.0',
        'cachemon_operator_writes_total{result="refused"} 0.0',
        f'cachemon_operator_build_info{{version="{__version__}"}} 1.0',
    ):
        assert f"{line}\n" in page


def test_both_formats_have_the_same_samples_and_no_times_of_creation() -> None:
    pages = {wanted: metrics().prepare(wanted)() for wanted in MetricsFormat}
    plain = text_string_to_metric_families(pages[MetricsFormat.TEXT].decode())
    opened = families_of(pages[MetricsFormat.OPEN_METRICS])
    samples = [[it for family in families for it in family.samples] for families in (plain, opened)]
    own = [[it for it in them if it.name.startswith("cachemon_")] for them in samples]
    assert own[0]
    assert own[0] == own[1]
    assert {it.name for it in samples[0]} == {it.name for it in samples[1]}
    assert "process_cpu_seconds_total" in {it.name for it in samples[0]}
    assert not any(b"_created" in page for page in pages.values())
