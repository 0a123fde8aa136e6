"""When a school is open, and when its sessions meet: closed days, terms, and the times of a week."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from adsum.platform.days import Span
from adsum.platform.errors import Notice, Violation
from adsum.platform.local_times import TIME, violation_of_time_text

MAX_TITLE = 255
MAX_TIMES = 100


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day on which the school is closed, or, with `from_time`, from that local 'HH:MM' on."""

    day: date
    reason: str
    from_time: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedClosedDay:
    """A closed day with its author and the time at which it was entered."""

    day: date
    reason: str
    from_time: str | None
    created_at: datetime
    created_role: str
    user_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True)
class ClosedDayFilters:
    """Filters of the list of closed days. None does not restrict; both days are inclusive."""

    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a school, from `begin_date` up to but without `end_date`."""

    id: int
    source_id: str | None
    title: str
    begin_date: date
    end_date: date


@dataclass(frozen=True, slots=True, order=True)
class SessionTime:
    """When a session meets in each week: the ISO weekday, 1 is Monday, and local times as 'HH:MM'."""

    weekday: int
    begins: str
    ends: str


class Cause(StrEnum):
    """Why a school is closed."""

    CLOSED_DAY = "closed_day"
    OUTSIDE_TERMS = "outside_terms"


@dataclass(frozen=True, slots=True)
class Closure:
    """That a session is not held on a day. `reason`: what the school says of it, if it says anything."""

    day: date
    cause: Cause
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a school says of some days, and when one of its sessions meets.

    Attributes:
        closed: the closed ones of these days.
        terms: those that touch these days; None: the school has no terms at all, and is open all year.
        times: of the session in each week; none: nobody has said.
    """

    closed: Sequence[ClosedDay] = ()
    terms: Sequence[Span] | None = None
    times: Sequence[SessionTime] = ()

    def closure(self, day: date) -> Closure | None:
        """Why the session is not held on `day`; None: it may be.

        A day that ends early closes what begins at that time or later. A session without times then goes on: when it
        begins is not known.
        """
        begins = min((time.begins for time in self.times if time.weekday == day.isoweekday()), default=None)
        for closed in self.closed:
            ends_before = begins is not None and closed.from_time is not None and begins >= closed.from_time
            if closed.day == day and (closed.from_time is None or ends_before):
                return Closure(day, Cause.CLOSED_DAY, closed.reason)
        if self.terms is not None and not any(term.covers(day) for term in self.terms):
            return Closure(day, Cause.OUTSIDE_TERMS)
        return None

    def warnings(self, day: date) -> tuple[Notice, ...]:
        """What is odd about recording the session on `day`."""
        if not self.times or any(time.weekday == day.isoweekday() for time in self.times):
            return ()
        detail = f"by its timetable this session does not meet on {day.isoformat()}, a {day:%A}"
        return (Notice("off_timetable", detail),)


def violation_of_closure(closure: Closure) -> Violation:
    """The refusal to record anything then."""
    why = closure.reason if closure.reason is not None else "it is outside of all terms"
    detail = f"the school is closed on {closure.day.isoformat()}: {why}"
    params = {"date": closure.day.isoformat(), "cause": closure.cause.value, "reason": closure.reason}
    return Violation("school_closed", detail, "/learningDate", params)


def validate_times(times: Sequence[SessionTime]) -> Iterator[tuple[int, Violation]]:
    """What is wrong with the times of one session: each violation with the place of its time in the list."""
    begun: set[tuple[int, str]] = set()
    for i, time in enumerate(times):
        yield from ((i, violation) for violation in _validate_time(time))
        if (time.weekday, time.begins) in begun:
            detail = f"the session begins twice at {time.begins[:10]} on weekday {time.weekday}"
            yield i, Violation("time_repeated", detail, "/begins", {"weekday": time.weekday, "begins": time.begins})
        begun.add((time.weekday, time.begins))


def _validate_time(time: SessionTime) -> Iterator[Violation]:
    if not 1 <= time.weekday <= 7:
        detail = f"{time.weekday} is no weekday: 1 is Monday, 7 is Sunday"
        yield Violation("out_of_range", detail, "/weekday", {"minimum": 1, "maximum": 7})
    wrong = [(name, text) for name, text in (("begins", time.begins), ("ends", time.ends)) if not TIME.fullmatch(text)]
    for name, text in wrong:
        yield violation_of_time_text(text, f"/{name}")
    if not wrong and time.ends <= time.begins:
        detail = f"it ends at {time.ends}, and does not begin before: {time.begins}"
        yield Violation("times_reversed", detail, "/ends", {"begins": time.begins, "ends": time.ends})
