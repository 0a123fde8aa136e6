"""Lists of ids on the command line: `4,5` and `10-20`, also several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from adsum.domain.ids import MAX_ID

# More would be a slip of the keyboard, not a class.
_WIDEST_RANGE = 100_000


def parse_ids(texts: Sequence[str]) -> list[int]:
    """The ids of one or more lists, in the order in which they stand.

    Raises:
        typer.BadParameter: something in them is no id and no range of ids.
    """
    return [number for text in texts for part in text.split(",") for number in _ids_of(part.strip())]


def _ids_of(part: str) -> range:
    first, dash, last = part.partition("-")
    try:
        begin = int(first)
        end = int(last) if dash else begin
    except ValueError:
        raise typer.BadParameter(f"{part[:40]!r} is no id and no range such as 10-20") from None
    if not 1 <= begin <= end <= MAX_ID or end - begin > _WIDEST_RANGE:
        raise typer.BadParameter(f"{part[:40]!r} is no id and no range such as 10-20")
    return range(begin, end + 1)


StudentIds = Annotated[list[str], typer.Option(metavar="IDS", help="Students, such as 4,5 or 10-20.")]
"""An option that names students, to be read by `parse_ids`."""
