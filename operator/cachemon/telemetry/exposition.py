"""The text format of Prometheus, version 0.0.4, and OpenMetrics 1.0, with every digit of integers and decimals.

prometheus_client's renderer makes a float of every value. A float is exact up to 2**53: it would show a counter of
2**64 - 1 bytes as 18446744073709552000.

There are no exemplars, as nothing here has a trace. There are no `_created` series: by default Prometheus stores them
as metrics of their own, so each counter would be two.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache

from prometheus_client.core import Metric

from cachemon.daemon.metrics_formats import MetricsFormat

_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(families: Iterable[Metric], wanted: MetricsFormat = MetricsFormat.TEXT) -> bytes:
    """Render a page.

    Args:
        families: counters and gauges, with samples of one name. The page leaves out a family without samples.
        wanted: the format.
    """
    is_open = wanted is MetricsFormat.OPEN_METRICS
    text = "".join(line for family in families for line in _lines(family, is_open=is_open))
    return f"{text}# EOF\n".encode() if is_open else text.encode()


def _lines(family: Metric, *, is_open: bool) -> Iterator[str]:
    if not family.samples:
        return
    name = family.samples[0].name  # has the `_total` of a counter, which the family's name lacks
    described, escapes = (family.name, _IN_LABEL) if is_open else (name, _IN_HELP)
    yield f"# HELP {described} {family.documentation.translate(escapes)}\n"
    yield f"# TYPE {described} {family.type}\n"
    for sample in family.samples:
        labels = sample.labels
        shown = f"{{{','.join(map(_pair, labels, labels.values()))}}}" if labels else ""
        yield f"{name}{shown} {_number(sample.value)}\n"


def _number(value: object) -> str:
    if isinstance(value, int):
        return str(int(value))
    return f"{value:f}" if isinstance(value, Decimal) else repr(float(value))  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def _pair(label: str, value: str) -> str:
    """Render one label. Cached: the same labels come in several families and in the next page."""
    return f'{label}="{value.translate(_IN_LABEL)}"'
