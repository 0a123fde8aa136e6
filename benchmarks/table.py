"""The figures as lines: a table on a terminal, aligned plain text elsewhere, Markdown in the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figures import OURS, Figures
from benchmarks.measures import MEASURES, NAMES

HEADINGS = ("", "Median", "Lowest to highest", "Ratio")


@dataclass(frozen=True, slots=True)
class Block:
    """One measure, and a line for each system."""

    title: str
    lines: list[tuple[str, str, str, str]]


def blocks(figures: Figures) -> Iterator[Block]:
    for key, measure in MEASURES.items():
        whose = sorted(figures.whose(key), key=list(NAMES).index)
        if whose:
            better = "more is better" if measure.is_rate else "less is better"
            yield Block(f"{measure.title}, {measure.unit} ({better})", [_line(figures, key, who) for who in whose])


def _line(figures: Figures, measure: str, who: str) -> tuple[str, str, str, str]:
    values = figures.line(measure, who)
    if values is None:
        return NAMES[who], "void", figures.violations[measure, who][0] if figures.violations[measure, who] else "", ""
    spread = f"{number(values[0])} to {number(values[-1])}" if len(values) > 1 else ""
    return NAMES[who], number(median(values)), spread, _ratios(figures, measure, who)


def _ratios(figures: Figures, measure: str, who: str) -> str:
    """Ours by theirs, for each of ours that was measured."""
    if who in OURS:
        return ""
    found = {name: figures.ratio(measure, ours, who) for ours, name in OURS.items()}
    return ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items() if ratio is not None)


def number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(figures: Figures) -> None:
    """On stdout."""
    for block in blocks(figures):
        if sys.stdout.isatty():
            table = Table(title=block.title, title_justify="left", box=box.SIMPLE_HEAD)
            for place, heading in enumerate(HEADINGS):
                table.add_column(heading, justify="right" if place in (1, 2) else "left")
            for line in block.lines:
                table.add_row(*line)
            Console().print(table)
        else:
            _show_plainly(block)


def _show_plainly(block: Block) -> None:
    print(f"\n{block.title}")
    lines = [HEADINGS, *block.lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
