"""Times of a day in a school's own zone, as the text 'HH:MM': so they sort, and compare, as they read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adsum.platform.errors import Violation

TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
TIME_PATTERN = f"^{TIME.pattern}$"


def violation_of_time_text(text: str, pointer: str) -> Violation:
    """A text that is no time of a day."""
    return Violation("wrong_form", f"{text[:20]!r} is no time of the form HH:MM", pointer, {"pattern": TIME_PATTERN})


def validate_stretch(first: tuple[str, str | None], last: tuple[str, str | None]) -> Iterator[Violation]:
    """What is wrong with two times, each with the pointer to it: their form, or that the last is before the first.

    A time that is None is not there.
    """
    wrong = [
        violation_of_time_text(text, at) for at, text in (first, last) if text is not None and not TIME.fullmatch(text)
    ]
    yield from wrong
    (_, begin), (pointer, end) = first, last
    if not wrong and begin is not None and end is not None and end < begin:
        yield Violation("times_reversed", f"{end} is before {begin}", pointer, {"begins": begin, "ends": end})
