"""Small bar charts: the rectangles of an SVG, which a template draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 300
HEIGHT = 80
GAP = 4
# The height of the smallest number above 0, so that it is visible.
MIN_HEIGHT = 1.5
# The ends of scales of shares, in percent.
SHARES = (5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its position, its width and height, and the height of its bad part."""

    x: float
    width: float
    height: float
    bad: float

    @property
    def y(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars side by side, and the number at the top of the chart."""

    bars: Sequence[Bar]
    top: int


def bar_chart(good: Sequence[int], bad: Sequence[int] | None = None) -> Chart:
    """A chart with one bar per number. The bad part is stacked on the good one."""
    bads = bad if bad is not None else [0] * len(good)
    top = nice_top(max(map(sum, zip(good, bads, strict=True)), default=0))
    step = WIDTH / max(1, len(good))
    bars = [
        Bar(
            round(number * step + GAP / 2, 1),
            round(step - GAP, 1),
            _height(of_good + of_bad, top),
            _height(of_bad, top),
        )
        for number, (of_good, of_bad) in enumerate(zip(good, bads, strict=True))
    ]
    return Chart(bars, top)


def nice_top(highest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that is at least `highest`."""
    unit = 1
    while True:
        for factor in (1, 2, 5):
            if unit * factor >= highest:
                return unit * factor
        unit *= 10


def absence_scale(attendance_rates: Iterable[float | None]) -> int:
    """The smallest of 5, 10, 20, 50 and 100 percent that is at least the highest absence of these rates, in percent."""
    highest = max((100 - rate for rate in attendance_rates if rate is not None), default=0)
    return next(top for top in SHARES if top >= highest)


def _height(number: int, top: int) -> float:
    return round(max(MIN_HEIGHT, HEIGHT * number / top), 1) if number else 0
