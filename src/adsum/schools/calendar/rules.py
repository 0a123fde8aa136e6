"""Closed days, terms and weekly session times: whether a session is held on a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from adsum.platform.days import ALWAYS, TIME, Span, violation_of_time_text
from adsum.platform.errors import Notice, Violation

MAX_TITLE = 255
MAX_TIMES = 100
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day on which the school is closed. `from_time`: the local 'HH:MM' from which it is closed; None: all day."""

    day: date
    reason: str
    from_time: str | None = None


def closed_spans(days: Iterable[ClosedDay]) -> list[str]:
    """Closed days, in their order, as ISO dates and intervals: `2024-12-23/2025-01-03`; from noon on
    `2024-12-20T12:00`.
    """
    spans: list[list[ClosedDay]] = []
    for each in days:
        last = spans[-1][-1] if spans else each
        if each.from_time is last.from_time is None and each.day == last.day + timedelta(1):
            spans[-1].append(each)
        else:
            spans.append([each])
    return [_span(each[0], each[-1]) for each in spans]


def _span(first: ClosedDay, last: ClosedDay) -> str:
    if first.from_time is not None:
        return f"{first.day}T{first.from_time}"
    return f"{first.day}" if first is last else f"{first.day}/{last.day}"


@dataclass(frozen=True, slots=True)
class RecordedClosedDay:
    """A closed day with its author and the time of its entry. `marks`: their number in the sessions that it closes."""

    day: date
    reason: str
    from_time: str | None
    created_at: datetime
    created_role: str
    user_id: int | None
    key_id: int | None
    marks: int = 0


@dataclass(frozen=True, slots=True)
class ClosedDayFilters:
    """Filters of the list of closed days. None does not restrict; both days are inclusive."""

    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a school, from `begin_date` up to but without `end_date`.

    Attributes:
        source_id: its id in the roster file; None: it was entered by hand.
        kind: OneRoster's type, of a term of a roster file.
        parent_source_id: the source id of the term that it is a part of.
        opens_school: whether the school is open in it. A school year that has semesters does not open the school.
    """

    id: int
    source_id: str | None
    title: str
    begin_date: date
    end_date: date
    kind: str | None = None
    parent_source_id: str | None = None
    opens_school: bool = True


@dataclass(frozen=True, slots=True, order=True)
class SessionTime:
    """A weekly time of a session: the ISO weekday (1 is Monday), and local times as 'HH:MM'.

    `valid`: the days on which it holds. Times that differ in that alone are equal.
    """

    weekday: int
    begins: str
    ends: str
    valid: Span = field(default=ALWAYS, compare=False)


class Cause(StrEnum):
    """Why a session is not held: the school is closed, or the class has no term on that day."""

    CLOSED_DAY = "closed_day"
    OUTSIDE_TERMS = "outside_terms"
    OUTSIDE_CLASS_TERMS = "outside_class_terms"


@dataclass(frozen=True, slots=True)
class Closure:
    """A session is not held on a day. `reason`: of the closed day; None outside of terms."""

    day: date
    cause: Cause
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of a school for some days, and the times of one session.

    Attributes:
        closed: closed days among these days.
        terms: terms that include any of these days; None: the school has no terms and is open all year.
        times: weekly times of the session; on a day on which none is valid they are unknown.
        valid: the validity of the session; None: every day.
        gaps: days within its validity on which it was not in the roster.
        terms_of_class: the terms of the class; None: the class is bounded by no term.
        weekdays: ISO weekdays on which a session without times meets.
    """

    closed: Sequence[ClosedDay] = ()
    terms: Sequence[Span] | None = None
    times: Sequence[SessionTime] = ()
    valid: Span = ALWAYS
    gaps: Sequence[Span] = ()
    terms_of_class: Sequence[Span] | None = None
    weekdays: Collection[int] = EVERY_DAY

    def closure(self, day: date) -> Closure | None:
        """The closure of the session on `day`; None: the school is open for it.

        A closed day with `from_time` closes sessions that begin at that time or later. A session without times stays
        open on such a day.
        """
        begins = min((time.begins for time in times_on(day, self.times)), default=None)
        for closed in self.closed:
            ends_before = begins is not None and closed.from_time is not None and begins >= closed.from_time
            if closed.day == day and (closed.from_time is None or ends_before):
                return Closure(day, Cause.CLOSED_DAY, closed.reason)
        if self.terms is not None and not any(term.covers(day) for term in self.terms):
            return Closure(day, Cause.OUTSIDE_TERMS)
        if self.terms_of_class is not None and not any(term.covers(day) for term in self.terms_of_class):
            return Closure(day, Cause.OUTSIDE_CLASS_TERMS)
        return None

    def warnings(self, day: date) -> tuple[Notice, ...]:
        """Warnings about recording the session on `day`."""
        if not self.valid.covers(day) or any(gap.covers(day) for gap in self.gaps):
            detail = f"by the roster the class does not have this session on {day.isoformat()}"
            return (Notice("session_not_valid", detail),)
        has_times = bool(week_of(day, self.times))
        if has_times and not times_on(day, self.times):
            detail = f"by its timetable this session does not meet on {day.isoformat()}, a {day:%A}"
            return (Notice("off_timetable", detail),)
        if not has_times and day.isoweekday() not in self.weekdays:
            return (Notice("no_school_day", f"{day.isoformat()} is a {day:%A}, which is no school day"),)
        return ()


def violation_of_closure(closure: Closure) -> Violation:
    """The violation of a record on a day on which the session is not held."""
    day = closure.day.isoformat()
    params = {"date": day, "cause": closure.cause.value, "reason": closure.reason}
    if closure.cause is Cause.OUTSIDE_CLASS_TERMS:
        return Violation("outside_class_terms", f"{day} is in no term of this class", "/learningDate", params)
    why = closure.reason if closure.reason is not None else "it is outside of all terms"
    detail = f"the school is closed on {day}: {why}"
    return Violation("school_closed", detail, "/learningDate", params)


def week_of(day: date, times: Iterable[SessionTime]) -> list[SessionTime]:
    """Those of these times, of the whole week, that are valid on a day; none: they are unknown."""
    return [time for time in times if time.valid.covers(day)]


def times_on(day: date, times: Iterable[SessionTime]) -> list[SessionTime]:
    """Those of these times at which the session meets on a day."""
    return [time for time in times if time.weekday == day.isoweekday() and time.valid.covers(day)]


def end_on(day: date, times: Iterable[SessionTime]) -> str | None:
    """The last end of a session with these times on a day; None: unknown."""
    return max((time.ends for time in times_on(day, times)), default=None)


def validate_times(times: Sequence[SessionTime]) -> Iterator[tuple[int, Violation]]:
    """Violations in the times of one session, each with the index of its time."""
    begun: set[tuple[int, str]] = set()
    for i, time in enumerate(times):
        yield from ((i, violation) for violation in _validate_time(time))
        if (time.weekday, time.begins) in begun:
            detail = f"the session begins twice at {time.begins[:10]} on weekday {time.weekday}"
            yield i, Violation("time_repeated", detail, "/begins", {"weekday": time.weekday, "begins": time.begins})
        begun.add((time.weekday, time.begins))


def _validate_time(time: SessionTime) -> Iterator[Violation]:
    if not 1 <= time.weekday <= 7:
        detail = f"{time.weekday} is not a weekday: 1 is Monday, 7 is Sunday"
        yield Violation("out_of_range", detail, "/weekday", {"minimum": 1, "maximum": 7})
    wrong = [(name, text) for name, text in (("begins", time.begins), ("ends", time.ends)) if not TIME.fullmatch(text)]
    for name, text in wrong:
        yield violation_of_time_text(text, f"/{name}")
    if not wrong and time.ends <= time.begins:
        detail = f"it ends at {time.ends}, not after it begins at {time.begins}"
        yield Violation("times_reversed", detail, "/ends", {"begins": time.begins, "ends": time.ends})
