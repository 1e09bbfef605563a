"""The formats of /metrics, and which of them a client wants."""

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum


class MetricsFormat(Enum):
    """A format; its value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus
    OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_TYPES = {
    MetricsFormat.TEXT: (("text/plain", "text/*", "*/*"), "0.0.4"),
    MetricsFormat.OPEN_METRICS: (("application/openmetrics-text",), "1.0.0"),
}
"""Ranges of media types that stand for each format, and the version that they may name. All else gets the text."""


def wanted_format(accept: str) -> MetricsFormat:
    """The format that an `Accept` header prefers.

    It is OpenMetrics when the header gives both the same quality, and the text when it names neither. Prometheus asks
    for OpenMetrics first, curl and browsers for `*/*`.
    """
    ranges = [_parsed(part) for part in accept.lower().split(",")]

    def quality(format_: MetricsFormat) -> float:
        types, version = _TYPES[format_]
        fitting = (it for type_, named, it in ranges if type_ in types and named in ("", version))
        return max(fitting, default=0.0)

    open_metrics = quality(MetricsFormat.OPEN_METRICS)
    return (
        MetricsFormat.OPEN_METRICS
        if open_metrics and open_metrics >= quality(MetricsFormat.TEXT)
        else MetricsFormat.TEXT
    )


def _parsed(media_range: str) -> tuple[str, str, float]:
    """Type, version and quality; a quality that is no number is 0."""
    type_, *rest = (part.strip() for part in media_range.split(";"))
    parameters = dict(_pairs(rest))
    quality = 0.0
    with suppress(ValueError):
        quality = float(parameters.get("q", "1"))
    return type_, parameters.get("version", ""), quality


def _pairs(parameters: list[str]) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        yield name.strip(), value.strip().strip('"')
