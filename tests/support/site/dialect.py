"""Converts the Markdown that GitHub shows to that of the generator, whose lists have stricter forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

_ITEM: Final = re.compile(r"(?:[-*] |\d+\. )")
_FENCE: Final = re.compile(r"\s*```")
# Columns by which what belongs to an item is indented.
_INDENT: Final = 4


def converted(text: str) -> str:
    """The same text, in which an empty line precedes each list, and what belongs to an item is indented by four."""
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: Iterable[str]) -> Iterator[str]:
    width = 0  # of the marker of the current item; 0 outside of lists
    in_fence = False
    before = ""
    for line in lines:
        item = None if in_fence else _ITEM.match(line)
        if _FENCE.match(line):
            in_fence = not in_fence
        if item:
            if not width and before.strip():
                yield ""
            width = len(item.group())
        elif width and line.startswith(" " * width):
            line = " " * (_INDENT - width) + line  # noqa: PLW2901 - as the generator wants it
        elif line.strip():
            width = 0
        yield line
        before = line
