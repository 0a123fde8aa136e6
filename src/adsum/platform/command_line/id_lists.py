"""Lists of ids on the command line: `4,5` and `10-20`, also several times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from adsum.platform.ids import MAX_ID

# More would be a slip of the keyboard, not a class.
_WIDEST_RANGE = 100_000
# A slip in the one place may be thousands of wrong things in the other.
_SHOWN = 10
_ID_OR_RANGE = re.compile("([0-9]{1,40})(?:-([0-9]{1,40}))?")

StudentIds = Annotated[list[str], typer.Option(metavar="IDS", help="Students, such as 4,5 or 10-20.")]
"""An option that names students, to be read by `parse_ids`."""


class _WrongPart(ValueError):
    pass


def parse_ids(named: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """The ids that each option names, in the order in which they stand.

    Args:
        named: the lists that were given, by the names of their options, such as `absent`.

    Raises:
        typer.BadParameter: with a line for everything that is no id and no range, and everybody who is named twice.
    """
    wrong: list[str] = []
    ids = {option: list(_ids_of(option, texts, wrong)) for option, texts in named.items()}
    wrong += _repeated(ids)
    if wrong:
        more = [f"and {len(wrong) - _SHOWN:,} more"] if len(wrong) > _SHOWN else []
        raise typer.BadParameter("\n".join([*wrong[:_SHOWN], *more]))
    return ids


def by_code(texts: Sequence[str]) -> dict[str, list[str]]:
    """What `--mark CODE=IDS` names: the lists of ids of each code.

    Raises:
        typer.BadParameter: one of them is not of this form.
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
        raise _WrongPart("is no id and no range such as 10-20")
    begin, end = int(match[1]), int(match[2] or match[1])
    if not (1 <= begin <= MAX_ID and 1 <= end <= MAX_ID):
        raise _WrongPart(f"is out of range: ids are 1 to {MAX_ID}")
    if end < begin:
        raise _WrongPart(f"is the wrong way round: {end}-{begin}")
    if end - begin >= _WIDEST_RANGE:
        raise _WrongPart(f"is too much: a range has at most {_WIDEST_RANGE:,} ids")
    return range(begin, end + 1)


def _repeated(ids: Mapping[str, Sequence[int]]) -> Iterator[str]:
    options: dict[int, list[str]] = {}
    for option, student_ids in ids.items():
        for student_id in student_ids:
            options.setdefault(student_id, []).append(f"--{option}")
    for student_id, found in options.items():
        if len(found) > 1:
            yield f"{', '.join(dict.fromkeys(found))}: student {student_id} is named {len(found)} times"
