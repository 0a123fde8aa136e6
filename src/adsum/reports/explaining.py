"""The fields of the forms that explain absences, and the address to which they lead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import AfterValidator, BaseModel, Field

from adsum.absences.unexplained import StudentDay
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.local_paths import local_path

MAX_SHOWN = 100
"""The explained absences that a page shows in their places: as many as an address can hold."""


ALL = "all"
"""The place of several absences, where other places name one."""


def _checked(text: str) -> str:
    student_id, _, day = text.partition(":")
    if not (student_id.isascii() and student_id.isdigit() and len(student_id) <= 18):
        raise ValueError("is not the id of a student and a day")
    date.fromisoformat(day)
    return text


StudentDayText = Annotated[str, Field(max_length=29), AfterValidator(_checked)]
"""A student and a day, as `123:2024-12-25`."""


class ExplanationForm(BaseModel):
    """The explanation of absences.

    Attributes:
        school: of the records.
        absence: the chosen students and days.
        status, reason: as they were typed.
        back: the address of the page.
        explained: absences that the page shows as explained.
    """

    school: PathId
    absence: list[StudentDayText] = []
    status: PlainText = ""
    reason: PlainText = ""
    back: PlainText = ""
    explained: list[StudentDayText] = []

    @property
    def student_days(self) -> list[StudentDay]:
        return student_days(self.absence)

    @property
    def is_of_several(self) -> bool:
        return len(self.absence) != 1


class UndoForm(BaseModel):
    """The explanations to take back, and the address of the page."""

    school: PathId
    absence: list[StudentDayText]
    back: PlainText = ""


def student_days(texts: Iterable[str]) -> list[StudentDay]:
    """The students and days of these texts, each once."""
    pairs = (text.split(":") for text in dict.fromkeys(texts))
    return [(int(student_id), date.fromisoformat(day)) for student_id, day in pairs]


def text_of(student_day: StudentDay) -> str:
    """As `StudentDayText`."""
    return f"{student_day[0]}:{student_day[1].isoformat()}"


def row_of(student_day: StudentDay) -> str:
    """The id of the row of the list."""
    return f"absent-{student_day[0]}-{student_day[1].isoformat()}"


def address_after(back: str, texts: Sequence[str], explained: Collection[str] = ()) -> str:
    """The address of the page that shows these absences after their explanation, or after it was taken back.

    It leads to the row of a single absence, and to the number of several. Absences that were explained before stay in
    their places.
    """
    parts = urlsplit(local_path(back))
    pairs = parse_qsl(parts.query)
    before = [value for name, value in pairs if name == "explained"]
    kept = [(name, value) for name, value in pairs if name not in {"explained", "at"}]
    shown = list(dict.fromkeys((*texts, *explained, *before)))[:MAX_SHOWN]
    is_single = len(texts) == 1
    kept += [*(("explained", each) for each in shown), ("at", texts[0] if is_single else ALL)]
    return f"{parts.path}?{urlencode(kept, safe=':')}#{row_of(student_days(texts)[0]) if is_single else 'explained'}"
