"""Prints figures: as a table on a terminal, as aligned plain text elsewhere. The report renders the same blocks."""

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
    """One measure, with a line per system."""

    title: str
    lines: list[tuple[str, str, str, str]]


def blocks(figures: Figures) -> Iterator[Block]:
    for key, measure in MEASURES.items():
        systems = sorted(figures.systems(key), key=list(NAMES).index)
        if systems:
            better = "more is better" if measure.is_rate else "less is better"
            yield Block(
                f"{measure.title}, {measure.unit} ({better})", [_line(figures, key, system) for system in systems]
            )


def _line(figures: Figures, measure: str, system: str) -> tuple[str, str, str, str]:
    values = figures.values_of(measure, system)
    if values is None:
        return (
            NAMES[system],
            "void",
            figures.violations[measure, system][0] if figures.violations[measure, system] else "",
            "",
        )
    spread = f"{number(values[0])} to {number(values[-1])}" if len(values) > 1 else ""
    return NAMES[system], number(median(values)), spread, _ratios(figures, measure, system)


def _ratios(figures: Figures, measure: str, system: str) -> str:
    """Returns the ratio to each of Adsum's systems that was measured."""
    if system in OURS:
        return ""
    found = {name: figures.ratio(measure, ours, system) for ours, name in OURS.items()}
    return ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items() if ratio is not None)


def number(value: float) -> str:
    """Formats a number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(figures: Figures) -> None:
    """Prints the figures to stdout."""
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
