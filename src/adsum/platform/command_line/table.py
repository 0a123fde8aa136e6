"""A table that a terminal of any width shows without breaking an id, a date or a state: these are read and copied."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Texts of any length, which may go on in the next line.
WRAPPED = frozenset({"name", "note", "permissions", "reason", "schools", "value"})
NARROWEST_WRAPPED = 18  # the longest permission is not broken
GAP = 2  # between two columns, as `box.SIMPLE_HEAD` has it with one blank behind each cell


def print_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, str]], dispensable: Sequence[str]) -> None:
    """Prints a table to stdout.

    Args:
        columns: the heading of each column, by its name.
        rows: of each the text under every name.
        dispensable: what a narrow terminal may do without, the least important first; what is left out is named. If
            there is no room all the same, lines are longer than the terminal, which then copies each as one.
    """
    room = Console().width
    least = {name: _least_width(name, heading, [row[name] for row in rows]) for name, heading in columns.items()}
    shown = _fitting(least, room, dispensable)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in shown:
        heading = "\n".join(textwrap.wrap(columns[name], least[name], break_long_words=False))
        table.add_column(heading, no_wrap=name not in WRAPPED, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    Console(width=max(room, _needed(least, shown))).print(table)
    if left_out := [heading for name, heading in columns.items() if name not in shown]:
        Console().print(Text(f"Not shown, for want of room: {', '.join(left_out)}", style="dim"))


def _least_width(name: str, heading: str, texts: Iterable[str]) -> int:
    """In which nothing is broken; a heading may take a line for each of its words."""
    widest = max(map(cell_len, [*heading.split(), *texts]))
    return min(widest, NARROWEST_WRAPPED) if name in WRAPPED else widest


def _fitting(least: Mapping[str, int], room: int, dispensable: Sequence[str]) -> list[str]:
    shown = list(least)
    for name in dispensable:
        if name in shown and _needed(least, shown) > room:
            shown.remove(name)
    return shown


def _needed(least: Mapping[str, int], shown: Iterable[str]) -> int:
    return sum(least[name] + GAP for name in shown)
