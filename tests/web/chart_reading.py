"""Reads what charts show: the words of the cursor, and the colours on the canvas."""

from typing import NamedTuple

from playwright.sync_api import Page

from cachemon.model.units import format_bytes, format_rate
from tests.web.detail_story import BATCH, GUEST, PERIOD, START, SUSPECT, VICTIM, bandwidth, known, occupancy


def time_of(row: int) -> float:
    return START + row * PERIOD


def said(page: Page) -> str:
    return page.get_by_role("slider").first.get_attribute("aria-valuetext") or ""


def expected_figures(time: float) -> dict[str, str]:
    """What the cursor says of each VM at a time."""
    return {
        vm: f"{format_bytes(held)}, {format_rate(bandwidth(vm, time) or 0)}B/s"
        for vm in (VICTIM, SUSPECT, GUEST, BATCH)
        if known(vm, "node01", time) and (held := occupancy(vm, time)) is not None
    }


def figures_said(text: str) -> dict[str, str]:
    pairs = (part.split(" ", 1) for part in text.split("; ")[1:])
    return {name: figure for name, figure in pairs if "/" in name}


class Pixel(NamedTuple):
    red: int
    green: int
    blue: int
    opacity: int = 255

    @property
    def is_dark(self) -> bool:
        return self.opacity > 100 and max(self[:3]) < 60


def pixel(page: Page, chart: int, time: float, value_part: float) -> Pixel:
    """The colour in a chart at a time, at a part of its height from below."""
    code = """([chart, time, part]) => {
      const over = document.querySelectorAll(".u-over")[chart];
      const canvas = over.parentElement.querySelector("canvas");
      const ratio = canvas.width / canvas.clientWidth;
      const area = over.getBoundingClientRect(), all = canvas.getBoundingClientRect();
      const slider = over.closest("[role=slider]");
      const [from, until] = ["aria-valuemin", "aria-valuemax"].map((name) => Number(slider.getAttribute(name)));
      const x = area.left - all.left + area.width * (time - from) / (until - from);
      const y = area.top - all.top + area.height * (1 - part);
      return [...canvas.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
    }"""
    red, green, blue, opacity = page.evaluate(code, [chart, time, value_part])
    return Pixel(red, green, blue, opacity)


def colour(page: Page, vm: str) -> Pixel:
    code = """(name) => {
      const row = [...document.querySelectorAll(".figures th")].find((it) => it.textContent === name);
      return getComputedStyle(row.querySelector(".chip")).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number);
    }"""
    return Pixel(*page.evaluate(code, vm))
