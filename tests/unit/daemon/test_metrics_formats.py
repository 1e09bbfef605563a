import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.daemon.metrics_formats import MetricsFormat, wanted_format

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1"
    ";q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        "application/openmetrics-text",
        'Application/OpenMetrics-Text; version="1.0.0"',
        "text/plain, application/openmetrics-text",
        "text/plain;q=0.3, application/openmetrics-text;q=0.4",
    ],
)
def test_who_prefers_openmetrics_gets_it(accept: str) -> None:
    assert wanted_format(accept) is MetricsFormat.OPEN_METRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.4, text/*;q=0.5",
        "application/openmetrics-text;q=much",
        "application/json",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ],
)
def test_all_others_get_the_text(accept: str) -> None:
    assert wanted_format(accept) is MetricsFormat.TEXT


@given(st.text(max_size=200))
def test_whatever_a_client_sends_has_a_format(accept: str) -> None:
    assert wanted_format(accept) in MetricsFormat
