"""Prints tables on terminals of any width without breaking ids, dates or states, which people copy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Columns whose texts may wrap.
WRAPPED = frozenset({"class", "name", "note", "permissions", "reason", "schools", "student", "title", "value"})
NARROWEST_WRAPPED = 18  # the longest permission is not broken
GAP = 2  # the gap between two columns of `box.SIMPLE_HEAD` with a padding of one blank


def print_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, str]], dropped_first: Sequence[str]) -> None:
    """Prints a table to stdout.

    Args:
        columns: the heading of each column by its name.
        rows: the texts of each row by the name of the column.
        dropped_first: columns that a narrow terminal omits, the least important first. The omitted columns are listed.
            If the others do not fit either, lines are longer than the terminal.
    """
    width = Console().width
    min_width = {name: _min_width(name, heading, [row[name] for row in rows]) for name, heading in columns.items()}
    shown = _fitting(min_width, width, dropped_first)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in shown:
        heading = "\n".join(textwrap.wrap(columns[name], min_width[name], break_long_words=False))
        table.add_column(heading, no_wrap=name not in WRAPPED, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    Console(width=max(width, _needed(min_width, shown))).print(table)
    if left_out := [heading for name, heading in columns.items() if name not in shown]:
        Console().print(Text(f"Not shown, because the terminal is too narrow: {', '.join(left_out)}", style="dim"))


def _min_width(name: str, heading: str, texts: Iterable[str]) -> int:
    """The width at which no cell breaks. A heading may take one line per word."""
    widest = max(map(cell_len, [*heading.split(), *texts]))
    return min(widest, NARROWEST_WRAPPED) if name in WRAPPED else widest


def _fitting(min_width: Mapping[str, int], width: int, dropped_first: Sequence[str]) -> list[str]:
    shown = list(min_width)
    for name in dropped_first:
        if name in shown and _needed(min_width, shown) > width:
            shown.remove(name)
    return shown


def _needed(min_width: Mapping[str, int], shown: Iterable[str]) -> int:
    return sum(min_width[name] + GAP for name in shown)
