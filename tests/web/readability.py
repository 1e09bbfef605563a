"""How well the texts of a page can be read: contrast as WCAG 2 defines it, and texts that are cut."""

from dataclasses import dataclass

from playwright.sync_api import Page

_TEXTS = """() => {
  const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const ground = (from) => {
    for (let at = from; at; at = at.parentElement) {
      const [red, green, blue, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [red, green, blue];
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const style = getComputedStyle(owner);
    if (!text || !owner.checkVisibility({ visibilityProperty: true })) continue;
    if (owner.closest(".visually-hidden, .skip, select")) continue;
    found.push([text, channels(style.color).slice(0, 3), ground(owner)]);
  }
  return found;
}"""
"""Texts that show, with the colour of each and of what is behind it."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text and its contrast, 1 to 21."""

    text: str
    contrast: float


def luminance(red: float, green: float, blue: float) -> float:
    """Relative luminance of a colour whose channels go from 0 to 255."""

    def linear(channel: float) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def contrast(one: list[float], other: list[float]) -> float:
    """Contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(*one), luminance(*other)))
    return (high + 0.05) / (low + 0.05)


def shown_texts(page: Page) -> list[ShownText]:
    """Every text that shows now."""
    return [ShownText(text, contrast(colour, ground)) for text, colour, ground in page.evaluate(_TEXTS)]
