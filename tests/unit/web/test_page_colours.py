"""The colours of VMs, as style.css defines them, for every kind of colour vision."""

import re
from importlib.resources import files
from itertools import combinations

import pytest

from tests.web.readability import contrast

STYLE = (files("cachemon.web") / "assets/style.css").read_text(encoding="utf-8")
COLOURS = 9

VISIONS = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""How linear RGB looks: Machado, Oliveira, Fernandes 2009, severity 1."""

Triple = tuple[float, float, float]

LEAST_DISTANCE = 0.07
"""In OKLab. The palette `muted` of Paul Tol, made for every colour vision, has 0.05."""


def colour(name: str) -> Triple:
    """A variable of style.css, its channels from 0 to 255."""
    found = re.search(rf"--{name}: #([0-9a-f]{{2}})([0-9a-f]{{2}})([0-9a-f]{{2}});", STYLE)
    assert found, name
    red, green, blue = (int(channel, 16) for channel in found.groups())
    return red, green, blue


def seen(rgb: Triple, vision: str) -> Triple:
    """A colour in OKLab, as people with this vision see it."""
    linear = [part / 12.92 if (part := it / 255) <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for it in rgb]
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * it for weight, it in zip(row, linear, strict=True))))
        for row in VISIONS[vision]
    )
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_colours_look_alike(vision: str) -> None:
    looks = [seen(colour(f"vm-{index}"), vision) for index in range(COLOURS)]
    nearest = min(
        sum((left - right) ** 2 for left, right in zip(one, other, strict=True)) ** 0.5
        for one, other in combinations(looks, 2)
    )
    assert nearest >= LEAST_DISTANCE


def test_text_on_every_colour_can_be_read() -> None:
    for index in range(COLOURS):
        assert contrast(list(colour(f"vm-{index}")), list(colour(f"vm-{index}-ink"))) >= 4.5


def test_there_is_no_colour_more() -> None:
    assert len(re.findall(r"--vm-\d+:", STYLE)) == COLOURS
    script = (files("cachemon.web") / "assets/palette.js").read_text(encoding="utf-8")
    assert f"export const COLOURS = {COLOURS};" in script
