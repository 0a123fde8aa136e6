"""Draws latency against offered load as SVG: in the reader's light or dark colours, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log10

from benchmarks.curve import Point

WIDTH, HEIGHT = 720, 560
LEFT, RIGHT, TOP, BOTTOM = 112, 684, 200, 470
# Rates without a percentile stand above the highest latency.
GROWING = 172
LATENCIES = (1, 10, 100, 1_000, 10_000)
LABELS = ("1 ms", "10 ms", "100 ms", "1 s", "10 s")
STYLE = """
  svg { color-scheme: light dark; --sheet: #ffffff; --line: #d9e0dd; --ink: #16201d; --soft: #52605b;
        --first: #0b6457; --second: #b45309; }
  @media (prefers-color-scheme: dark) {
    svg { --sheet: #1a2120; --line: #35413e; --ink: #e8efec; --soft: #a6b4af; --first: #5fcfb9; --second: #f3a34a; }
  }
  text { font: 16px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
  @media (max-width: 520px) { text { font-size: 24px; } }
  .sheet { fill: var(--sheet); } .grid { stroke: var(--line); } .axis { stroke: var(--soft); }
  .title { fill: var(--ink); } .name { fill: var(--ink); font-weight: 600; }
  .p50, .p99 { fill: none; stroke-linecap: round; stroke-linejoin: round; }
  .p50 { stroke-width: 3.5; } .p99 { stroke-width: 2.5; stroke-dasharray: 2 7; }
  .between { opacity: .12; stroke: none; } .cross { stroke-width: 3.5; stroke-linecap: round; }
  .hollow { stroke-width: 2.5; fill: var(--sheet); }
  .first { stroke: var(--first); } .second { stroke: var(--second); }
  .first.full { fill: var(--first); } .second.full { fill: var(--second); }
  .key { stroke: var(--ink); }
"""
CLASSES = ("first", "second")


def draw(title: str, systems: Mapping[str, Sequence[Point]], step: str) -> str:
    """Returns the picture of up to two systems by their names. `step` is the beginning of a latency's name."""
    rates = [point.rate for measured in systems.values() for point in measured]
    highest = max(rates) * 1.05
    parts = [f'<text class="title" x="24" y="38">{title}</text>', *_axes(highest), *_legend(systems)]
    for colour, measured in zip(CLASSES, systems.values(), strict=False):
        parts += _curve(colour, measured, step, highest)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{title}">'
    )
    sheet = f'<rect class="sheet" width="{WIDTH}" height="{HEIGHT}" rx="12"/>'
    return "\n".join([head, f"<title>{title}</title>", f"<style>{STYLE}</style>", sheet, *parts, "</svg>", ""])


def _axes(highest: float) -> Iterator[str]:
    for latency, label in zip(LATENCIES, LABELS, strict=True):
        y = _y(latency)
        yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 10}" y="{y + 6:.1f}" text-anchor="end">{label}</text>'
    for rate in range(0, int(highest) + 1, 100 if highest > 250 else 50):
        x = _x(rate, highest)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{BOTTOM}" y2="{BOTTOM + 6}"/>'
        yield f'<text x="{x:.1f}" y="{BOTTOM + 32}" text-anchor="middle">{rate}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>'
    middle = (LEFT + RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">classes of 30 a second, offered</text>'


def _legend(systems: Mapping[str, Sequence[Point]]) -> Iterator[str]:
    for place, (colour, name) in enumerate(zip(CLASSES, systems, strict=False)):
        x = 24 + place * 200
        yield f'<circle class="{colour} full" cx="{x}" cy="72" r="7"/>'
        yield f'<text class="name" x="{x + 16}" y="78">{name}</text>'
    yield '<line class="key p50" x1="20" x2="60" y1="114" y2="114"/><text x="70" y="120">p50</text>'
    yield '<line class="key p99" x1="150" x2="190" y1="114" y2="114"/><text x="200" y="120">p99</text>'
    yield f'<g class="key">{_cross("", 296, 114)}</g><text x="314" y="120">too much: the queue grows</text>'


def _curve(colour: str, measured: Sequence[Point], step: str, highest: float) -> Iterator[str]:
    kept = [point for point in measured if point.keeps_up]
    lines = {
        name: [(_x(point.rate, highest), _y(point.latencies[f"{step}-{name}"])) for point in kept]
        for name in ("p50", "p99")
    }
    if kept:
        yield f'<polygon class="{colour} full between" points="{_path([*lines["p50"], *reversed(lines["p99"])])}"/>'
    for name, places in lines.items():
        yield f'<polyline class="{colour} {name}" points="{_path(places)}"/>'
        dot = "full" if name == "p50" else "hollow"
        yield from (f'<circle class="{colour} {dot}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>' for x, y in places)
    above = GROWING + (14 if colour == CLASSES[1] else -8)
    yield from (_cross(colour, _x(point.rate, highest), above) for point in measured if not point.keeps_up)


def _cross(colour: str, x: float, y: float) -> str:
    return f'<path class="cross {colour}" d="M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"/>'


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _x(rate: float, highest: float) -> float:
    return LEFT + (RIGHT - LEFT) * rate / highest


def _y(latency: float) -> float:
    """The scale is logarithmic. Latencies beyond its ends are drawn at them."""
    lowest, span = log10(LATENCIES[0]), log10(LATENCIES[-1] / LATENCIES[0])
    share = (log10(max(latency, LATENCIES[0])) - lowest) / span
    return BOTTOM - (BOTTOM - TOP) * min(share, 1.0)
