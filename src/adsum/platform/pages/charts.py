"""Small charts: from numbers to the rectangles of an SVG, which a template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 300
HEIGHT = 80
GAP = 4
# What is not nothing has to be seen.
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it begins, how wide and how high it is, and how high the part of it that is bad."""

    x: float
    width: float
    height: float
    bad: float

    @property
    def y(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars beside each other, and the number that the whole height stands for."""

    bars: Sequence[Bar]
    top: int


def bar_chart(good: Sequence[int], bad: Sequence[int] | None = None) -> Chart:
    """One bar for each number; what is bad stands upon what is good, and both count for the height."""
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
    """The first of 1, 2, 5, 10, 20, 50, … that is not below the highest number."""
    unit = 1
    while True:
        for factor in (1, 2, 5):
            if unit * factor >= highest:
                return unit * factor
        unit *= 10


def _height(number: int, top: int) -> float:
    return round(max(LEAST, HEIGHT * number / top), 1) if number else 0
