"""Where submissions want to record: the class, its school and calendar, the session, who teaches and who learns there.

All of it in one statement: of accepting a class, most is waiting for one statement after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, Integer, String
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school
from adsum.platform.database.columns import Json
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.days import Span
from adsum.schools.calendar.rules import Calendar, ClosedDay, SessionTime

_CLASS_CONTEXTS = sql_file(
    "adsum.batches",
    "class_contexts",
    returns={
        "class_id": BigInteger,
        "session_id": BigInteger,
        "user_id": BigInteger,
        "school_id": BigInteger,
        "time_zone": String,
        "edit_window_days": Integer,
        "fence": Integer,
        "taught": Json,
        "covered": Json,
        "first_day": Date,
        "last_day": Date,
        "closed": Json,
        "has_terms": Boolean,
        "terms": Json,
        "times": Json,
        "students": Json,
    },
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place that is asked for.

    Attributes:
        class_id: of a class.
        session_id: of a session that may be one of this class, or None.
        user_id: of whom it is asked when they teach or cover the session, or None.
        days: the first and the last day that the calendar is asked about, or None.
    """

    class_id: int
    session_id: int | None
    user_id: int | None
    days: tuple[date, date] | None = None

    def to_row(self) -> dict[str, int | str | None]:
        """The row of `asked`."""
        first, last = self.days or (None, None)
        return {
            "class_id": self.class_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "first_day": first and first.isoformat(),
            "last_day": last and last.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Place:
    """A class that there is.

    Attributes:
        class_id: of the class.
        school_id: of its school.
        time_zone: IANA name, of its school.
        edit_window_days: for how long its teachers may write about a day; None: for ever.
        turn: of the session that was asked for, when this was seen; None: the class has no such session.
        taught: when the user who was asked for teaches or covers the session that was asked for.
        calendar: what the school and the session have to say of the days that were asked about.
        day: the one day that was asked about; None: there were several, or none.
        roster: the ids of who is enrolled in the class on that day, each once, in order.
    """

    class_id: int
    school_id: int
    time_zone: str
    edit_window_days: int | None
    turn: int | None
    taught: tuple[Span, ...]
    calendar: Calendar
    day: date | None
    roster: Sequence[int]

    def is_seen_by(self, caller: Caller, day: date | None) -> bool:
        """Whether the caller sees the session on `day`, or, where it is None, on any day: the rule of `visibility`."""
        if not can_see_school(caller, self.school_id):
            return False
        return not caller.teaches_only or any(day is None or span.covers(day) for span in self.taught)


async def find_places(connection: AsyncConnection, wanted: Collection[Wanted]) -> dict[Wanted, Place]:
    """Those of these places that there are, whoever asks: see `Place.is_seen_by`."""
    rows = await _CLASS_CONTEXTS.fetch_all(connection, input_rows(each.to_row() for each in wanted))
    return dict(_found(*row) for row in rows)


def _found(
    class_id: int, session_id: int | None, user_id: int | None, school_id: int, zone: str, *more: Any
) -> tuple[Wanted, Place]:
    edit_window_days, turn, taught, covered, first_day, last_day, *calendar, students = more
    days = (first_day, last_day) if first_day is not None else None
    place = Place(
        class_id,
        school_id,
        zone,
        edit_window_days,
        turn,
        taught=_spans(taught) + _spans(covered),
        calendar=_calendar(*calendar),
        day=first_day if first_day == last_day else None,
        roster=sorted(students or ()),
    )
    return Wanted(class_id, session_id, user_id, days), place


def _calendar(
    closed: list[tuple[str, str, str | None]] | None,
    has_terms: bool,
    terms: list[tuple[str, str]] | None,
    times: list[tuple[int, str, str]] | None,
) -> Calendar:
    return Calendar(
        closed=tuple(ClosedDay(date.fromisoformat(day), reason, time) for day, reason, time in closed or ()),
        terms=_spans(terms) if has_terms else None,
        times=tuple(SessionTime(*each) for each in times or ()),
    )


def _spans(spans: Sequence[tuple[str | None, str | None]] | None) -> tuple[Span, ...]:
    return tuple(Span(_day(begin), _day(end)) for begin, end in spans or ())


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
