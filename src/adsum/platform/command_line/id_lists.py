"""Options with lists of ids: `4,5` and `10-20`, also repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from adsum.platform.ids import MAX_ID

# A larger range is a typing error.
_WIDEST_RANGE = 100_000
# One typing error can cause thousands of violations.
_SHOWN = 10
_ID_OR_RANGE = re.compile("([0-9]{1,40})(?:-([0-9]{1,40}))?")

StudentIds = Annotated[list[str], typer.Option(metavar="IDS", help="Students, such as 4,5 or 10-20.")]
"""An option with ids of students, which `parse_ids` parses."""


class _WrongPart(ValueError):
    pass


def parse_ids(named: Mapping[str, Sequence[str]], of: str = "student") -> dict[str, list[int]]:
    """Parses the ids of each option, in their order.

    Args:
        named: the texts of each option by its name, such as `absent`.
        of: the singular of the things that the ids are of.

    Raises:
        typer.BadParameter: with one line per malformed part and per id with more than one entry.
    """
    wrong: list[str] = []
    ids = {option: list(_ids_of(option, texts, wrong)) for option, texts in named.items()}
    wrong += _repeated(ids, of)
    if wrong:
        more = [f"and {len(wrong) - _SHOWN:,} more"] if len(wrong) > _SHOWN else []
        raise typer.BadParameter("\n".join([*wrong[:_SHOWN], *more]))
    return ids


def by_code(texts: Sequence[str]) -> dict[str, list[str]]:
    """Parses `--mark CODE=IDS` into the lists of ids of each code.

    Raises:
        typer.BadParameter: a text has another form.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        code, equals, ids = text.partition("=")
        if not (code and equals):
            raise typer.BadParameter(f"{text[:40]!r} is not CODE=IDS, such as trip=4,5", param_hint="--mark")
        found.setdefault(code, []).append(ids)
    return found


def _ids_of(option: str, texts: Sequence[str], wrong: list[str]) -> Iterator[int]:
    for text in texts:
        for part in text.split(","):
            try:
                yield from _range_of(part.strip())
            except _WrongPart as error:
                wrong.append(f"--{option}: {part.strip()[:40]!r} {error}")


def _range_of(part: str) -> range:
    match = _ID_OR_RANGE.fullmatch(part)
    if match is None:
        raise _WrongPart("is neither an id nor a range such as 10-20")
    begin, end = int(match[1]), int(match[2] or match[1])
    if not (1 <= begin <= MAX_ID and 1 <= end <= MAX_ID):
        raise _WrongPart(f"is out of range: ids are 1 to {MAX_ID}")
    if end < begin:
        raise _WrongPart(f"is reversed: write {end}-{begin}")
    if end - begin >= _WIDEST_RANGE:
        raise _WrongPart(f"is too large: a range has at most {_WIDEST_RANGE:,} ids")
    return range(begin, end + 1)


def _repeated(named: Mapping[str, Sequence[int]], of: str) -> Iterator[str]:
    options: dict[int, list[str]] = {}
    for option, ids in named.items():
        for each in ids:
            options.setdefault(each, []).append(f"--{option}")
    for each, found in options.items():
        if len(found) > 1:
            yield f"{', '.join(dict.fromkeys(found))}: {of} {each} is named {len(found)} times"
