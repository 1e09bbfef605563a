"""The text format of Prometheus, version 0.0.4, with whole numbers to the last digit.

prometheus_client's own makes a float of every value, and a float ends at 2**53: a counter of 2**64 - 1 bytes would
read 18446744073709552000.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

__all__ = ["render"]

_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(families: Iterable[Metric]) -> bytes:
    """The page.

    Args:
        families: counters and gauges; a family without samples is left out.
    """
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Metric) -> Iterator[str]:
    if not family.samples:
        return
    name = family.samples[0].name  # with the `_total` of a counter, that the family's own name lacks
    yield f"# HELP {name} {family.documentation.translate(_IN_HELP)}\n"
    yield f"# TYPE {name} {family.type}\n"
    for sample in family.samples:
        labels = ",".join(map(_pair, sample.labels, sample.labels.values()))
        yield f"{name}{{{labels}}} {_number(sample)}\n"


@lru_cache(maxsize=4096)
def _pair(label: str, value: str) -> str:
    """Nearly all come again at the next scrape, and in several families of each."""
    return f'{label}="{value.translate(_IN_LABEL)}"'


def _number(sample: Sample) -> str:
    return str(int(sample.value)) if isinstance(sample.value, int) else repr(float(sample.value))
