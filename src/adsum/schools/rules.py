"""Schools, their settings, and the edit window: for how long teachers may mark and correct a day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict

from adsum.platform.errors import Violation
from adsum.platform.time_zones import validate_time_zone

MAX_EDIT_WINDOW_DAYS = 3_650
_WEEKDAYS = re.compile("1?2?3?4?5?6?7?")

# Time zones of places where schools teach in German.
_GERMAN_TIME_ZONES = frozenset({"Europe/Berlin", "Europe/Busingen", "Europe/Vaduz", "Europe/Vienna"})
# In German, "anwesend" and "abwesend" both begin with A: a tick, and F for "fehlt", V for "verspätet", E for
# "entschuldigt".
_GERMAN_LETTERS = "✓FVE"


def default_letters(time_zone: str) -> str | None:
    """The letters of present, absent, late and excused of a new school; None: those of the default statuses."""
    return _GERMAN_LETTERS if time_zone in _GERMAN_TIME_ZONES else None


class SchoolSettings(TypedDict, total=False):
    """Settings of a school to change, named as in `School`. Missing ones stay."""

    time_zone: str
    edit_window_days: int | None
    missed_from_percent: int | None
    weekdays: str
    office_manages_logins: bool


@dataclass(frozen=True, slots=True)
class School:
    """A school.

    Attributes:
        source_id: its id in the roster file.
        time_zone: an IANA name.
        edit_window_days: days after a learning date within which teachers may mark and correct; None: no limit.
        missed_from_percent: from which share of its minutes on a session counts as missed in reports; None: never.
        weekdays: on which sessions without times meet, in order; `12345` is Monday to Friday.
        office_manages_logins: whether the office manages the logins of teachers and viewers.
        records_from: retention or a dropped year has deleted the records of the days before; None: of no day.
    """

    id: int
    source_id: str | None
    name: str
    time_zone: str
    edit_window_days: int | None
    missed_from_percent: int | None = None
    weekdays: str = "12345"
    office_manages_logins: bool = False
    records_from: date | None = None


@dataclass(frozen=True, slots=True)
class SchoolChange:
    """A change of one setting of a school.

    Attributes:
        setting: its name in `SchoolSettings`.
        old_value, new_value: as JSON.
        changed_at: from this moment on the new value holds.
        changed_role, user_id, key_id: who changed it; without user and key: the command line or the library.
    """

    id: int
    setting: str
    old_value: Any
    new_value: Any
    changed_at: datetime
    changed_role: str
    user_id: int | None
    key_id: int | None


def validate_settings(settings: SchoolSettings) -> Iterator[Violation]:
    """All violations in new settings, with pointers to the fields of the API."""
    if not settings:
        yield Violation("empty_change", "nothing to change: give a setting")
    if "time_zone" in settings:
        yield from validate_time_zone(settings["time_zone"], "/timeZone")
    days = settings.get("edit_window_days")
    if days is not None and not 0 <= days <= MAX_EDIT_WINDOW_DAYS:
        detail = f"an edit window has 0 to {MAX_EDIT_WINDOW_DAYS} days"
        yield Violation("out_of_range", detail, "/editWindowDays")
    percent = settings.get("missed_from_percent")
    if percent is not None and not 1 <= percent <= 100:
        yield Violation("out_of_range", "a session counts as missed from 1 to 100 %", "/missedFromPercent")
    weekdays = settings.get("weekdays")
    if weekdays == "":
        yield Violation("too_short", "a school has at least one weekday", "/weekdays", {"minimum": 1})
    elif weekdays is not None and not _WEEKDAYS.fullmatch(weekdays):
        detail = "weekdays are numbers from 1 for Monday to 7 for Sunday, each once and in order"
        yield Violation("out_of_range", detail, "/weekdays", {"minimum": 1, "maximum": 7})


def weekdays_of(text: str) -> tuple[int, ...]:
    """The ISO weekdays of a stored text, such as `12345`."""
    return tuple(map(int, text))


def weekdays_text(weekdays: Iterable[int]) -> str:
    """The text that is stored for ISO weekdays in any order."""
    return "".join(map(str, sorted(set(weekdays))))


@dataclass(frozen=True, slots=True)
class EditWindow:
    """The edit window of a school. `days`: days after the learning date; None: no limit. `today`: the school's.

    `records_from`: the records of the days before were deleted, and nobody writes new ones; None: of no day.
    """

    days: int | None
    today: date
    records_from: date | None = None

    def is_over(self, learning_date: date) -> bool:
        return self.days is not None and (self.today - learning_date).days > self.days

    def violations(
        self, learning_date: date, reason: str | None, *, overrules: bool, pointer: str = "/learningDate"
    ) -> Iterator[Violation]:
        """Violations of a change that is made today. After the window, only the office may write, with a reason.

        Args:
            learning_date: of the change.
            reason: for the change, if there is one.
            overrules: whether the caller belongs to the office.
            pointer: to the learning date in the request.
        """
        if self.records_from is not None and learning_date < self.records_from:
            detail = (
                f"the records of days before {self.records_from.isoformat()} were deleted, and no new ones are kept"
            )
            yield Violation("day_deleted", detail, pointer, {"recordsFrom": self.records_from.isoformat()})
            return
        if not self.is_over(learning_date):
            return
        params = {"date": learning_date.isoformat(), "days": self.days}
        if not overrules:
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: now only the office may write"
            yield Violation("edit_window_over", detail, pointer, params)
        elif not (reason or "").strip():
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: a reason is required"
            yield Violation("reason_missing", detail, "/reason", params)
