"""Whether submissions can be done: every wrong thing is found and named before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from adsum.accounts.access import Caller, Permission
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.repository.places import Place, Wanted, find_places
from adsum.batches.selection import SELECTED, requested_marks, validate_form, validate_roster
from adsum.batches.submission import Submission
from adsum.platform.database.engine import Connection
from adsum.platform.days import WrongDay, days_meant, learning_date, today_in
from adsum.platform.errors import AdsumError, Forbidden, Invalid, NotFound, Notice, RosterChanged, Violation, caught
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.texts import validate_reason
from adsum.roster.repository.students import find_rosters, students_of_school
from adsum.roster.rules import WrongVersion, roster_change
from adsum.schools.calendar.rules import SessionTime, violation_of_closure
from adsum.schools.rules import EditWindow


@dataclass(frozen=True, slots=True)
class Asked:
    """A submission, and who sent it."""

    submission: Submission
    caller: Caller


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """A submission that can be done.

    Attributes:
        school_id: of the class.
        batch: to which it belongs.
        requested: the mark that each student is to get, in the roster's order.
        turn: that its session had when that roster was seen, or before.
        forced_reason: why, where the school is closed on that day, or where the day is long ago.
        warnings: what is odd about it.
        times: when the session meets by the timetable.
    """

    school_id: int
    batch: Batch
    requested: dict[int, Mark]
    turn: int
    forced_reason: str | None = None
    warnings: tuple[Notice, ...] = ()
    times: tuple[SessionTime, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    """A submission of which the class and the day are known, and what is wrong with it so far."""

    asked: Asked
    place: Place
    day: date
    violations: list[Violation]

    @property
    def class_and_day(self) -> tuple[int, date]:
        return self.place.class_id, self.day


async def check_all(
    connection: Connection, asked: Sequence[Asked], *, now: datetime, max_batch_size: int
) -> list[CheckedSubmission | AdsumError]:
    """Checks submissions against their schools as they are, each by itself.

    Returns:
        For each what is to be done, or why not. NotFound: the caller sees no such class on that day. Invalid: with one
        violation for every wrong thing. RosterChanged: the roster is not the one that the client saw.
    """
    places = await find_places(connection, {_wanted(each) for each in asked if _is_id(each.submission.class_id)})
    # Asked for only where somebody names a status: `present` and `absent` always stand.
    marking = [places.get(_wanted(each)) for each in asked if each.submission.selection.marks]
    schools = {place.school_id for place in marking if place is not None}
    statuses = await find_statuses(connection, schools) if schools else {}
    drafts = [caught(_draft, each, places.get(_wanted(each)), statuses, now, max_batch_size) for each in asked]
    rosters = await _rosters(connection, [each for each in drafts if isinstance(each, _Draft)])
    return [
        await _check_roster(connection, each, rosters[each.class_and_day], max_batch_size)
        if isinstance(each, _Draft)
        else each
        for each in drafts
    ]


async def _rosters(connection: Connection, drafts: Sequence[_Draft]) -> dict[tuple[int, date], Sequence[int]]:
    """Of the day of each draft. It came with the place, unless the day was known only with the school's time zone."""
    known = {each.class_and_day: each.place.roster for each in drafts if each.place.day == each.day}
    others = {each.class_and_day for each in drafts}.difference(known)
    return known | (await find_rosters(connection, others) if others else {})


def _wanted(asked: Asked) -> Wanted:
    submission, caller = asked.submission, asked.caller
    session_id = submission.session_id if _is_id(submission.session_id) else None
    teacher_id = caller.user_id if caller.teaches_only else None
    return Wanted(submission.class_id, session_id, teacher_id, days_meant(submission.learning_date))


def _is_id(number: int) -> bool:
    """The database keeps no other numbers; a library's user may send any."""
    return 1 <= number <= MAX_ID


def _draft(
    asked: Asked, place: Place | None, statuses: Mapping[int, SchoolStatuses], now: datetime, max_batch_size: int
) -> _Draft:
    submission = asked.submission
    # Whoever teaches the class on no day at all does not learn from an error about the day that there is one.
    if place is None or not place.is_seen_by(asked.caller, None):
        raise _no_class(submission)
    day, violations = _day_of(submission, place.time_zone, now)
    if day is not None and not place.is_seen_by(asked.caller, day):
        raise _no_class(submission)
    if submission.force and asked.caller.teaches_only:
        raise _force_not_allowed()
    violations += _validate_session(submission, place)
    violations += _validate_day(asked, place, day, now)
    too_large = _validate_size(submission, max_batch_size)
    violations += too_large or validate_form(submission.selection, statuses.get(place.school_id) or SchoolStatuses())
    if day is None or too_large:
        raise _invalid(violations)
    return _Draft(asked, place, day, violations)


async def _check_roster(
    connection: Connection, draft: _Draft, roster: Sequence[int], max_batch_size: int
) -> CheckedSubmission | AdsumError:
    strangers = {student_id for _, student_id in draft.asked.submission.selection.mentioned}.difference(roster)
    caller = draft.asked.caller
    sees_school = not caller.teaches_only and caller.may(Permission.ROSTER_READ)
    known = (
        await students_of_school(connection, draft.place.school_id, strangers)
        if strangers and sees_school
        else frozenset[int]()
    )
    off_roster = (
        validate_roster(draft.asked.submission.selection, roster, known, sees_school=sees_school) if strangers else []
    )
    return caught(_checked, draft, roster, off_roster, max_batch_size)


def _checked(draft: _Draft, roster: Sequence[int], off_roster: Sequence[Violation], most: int) -> CheckedSubmission:
    submission = draft.asked.submission
    violations = [*draft.violations, *_validate_version(submission, roster), *off_roster]
    requested = requested_marks(submission.selection, roster)
    if submission.selection.is_selected_all and not roster:
        detail = f"nobody is enrolled in class {submission.class_id} on {draft.day.isoformat()}"
        violations.append(Violation("empty_roster", detail, "/classId"))
    if len(requested) > most:
        violations.append(_too_large(len(requested), most))
    if violations or draft.place.turn is None:
        raise _invalid(violations)
    calendar = draft.place.calendar
    return CheckedSubmission(
        draft.place.school_id,
        Batch(submission.class_id, submission.session_id, draft.day),
        requested,
        draft.place.turn,
        # An empty form may send force on a day that is open: then there is nothing to give a reason for.
        forced_reason=submission.reason if not submission.force or calendar.closure(draft.day) else None,
        warnings=calendar.warnings(draft.day),
        times=tuple(calendar.times),
    )


def _no_class(submission: Submission) -> NotFound:
    return NotFound(f"there is no class {submission.class_id}", classId=submission.class_id)


def _day_of(submission: Submission, zone: str, now: datetime) -> tuple[date | None, list[Violation]]:
    try:
        return learning_date(submission.learning_date, zone, now), []
    except WrongDay as error:
        return None, [Violation(error.code, str(error), "/learningDate")]


def _validate_session(submission: Submission, place: Place) -> list[Violation]:
    if place.turn is not None:
        return []
    # One error for both, so that nobody can probe for sessions of classes that they do not see.
    detail = f"class {submission.class_id} has no session {submission.session_id}"
    return [Violation("session_not_of_class", detail, "/sessionId", {"sessionId": submission.session_id})]


def _force_not_allowed() -> Forbidden:
    detail = "the school is closed on a day until its office says otherwise: a teacher cannot force it"
    return Forbidden(detail, [Violation("force_not_allowed", detail, "/force")])


def _validate_day(asked: Asked, place: Place, day: date | None, now: datetime) -> list[Violation]:
    """Whether anything may be recorded then, and, where it may only for a reason, whether there is one."""
    submission = asked.submission
    if day is None:
        return _validate_force(submission, is_late=False)
    window = EditWindow(place.edit_window_days, today_in(place.time_zone, now))
    late = list(window.violations(day, submission.reason, overrules=asked.caller.overrules))
    violations = [*late, *([] if late else _validate_force(submission, is_late=window.is_over(day)))]
    closure = place.calendar.closure(day)
    if closure is not None and not submission.force:
        violations.append(violation_of_closure(closure))
    return violations


def _validate_force(submission: Submission, *, is_late: bool) -> list[Violation]:
    if submission.force and not (submission.reason or "").strip():
        return [Violation("missing_field", "what is forced needs a reason", "/reason")]
    if submission.reason is not None and not submission.force and not is_late:
        return [
            Violation("reason_without_force", "a reason is for what is forced: send force: true with it", "/reason")
        ]
    return list(validate_reason(submission.reason))


def _validate_size(submission: Submission, most: int) -> list[Violation]:
    """Looks at no more ids than it must: a body may name a hundred thousand."""
    selection = submission.selection
    named = len(selection.selected) + len(selection.unselected) + len(selection.marks)
    # A student may stand in a list and in `marks`.
    return [_too_large(named, most)] if named > 2 * most else []


def _too_large(number: int, most: int) -> Violation:
    detail = f"{number} students are more than the {most} that a batch may have"
    return Violation("batch_too_large", detail, SELECTED, {"most": most})


def _validate_version(submission: Submission, roster: Sequence[int]) -> list[Violation]:
    if submission.roster_version is None:
        return []
    try:
        change = roster_change(submission.roster_version, roster)
    except WrongVersion as error:
        return [Violation("wrong_roster_version", str(error), "/rosterVersion")]
    if change is not None:
        detail = f"since then {len(change.joined)} joined the class and {len(change.left)} left it"
        violation = Violation(RosterChanged.code, detail, "/rosterVersion")
        raise RosterChanged(detail, [violation], joined=list(change.joined), left=list(change.left))
    return []


def _invalid(violations: Sequence[Violation]) -> Invalid:
    more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
    return Invalid("; ".join(violation.detail for violation in islice(violations, 1)) + more, violations)
