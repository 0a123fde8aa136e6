"""Whether a submission can be done: every wrong thing is found and named before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from adsum.domain.access import Caller, Permission
from adsum.domain.days import WrongDay, learning_date
from adsum.domain.ids import MAX_ID, Batch
from adsum.domain.roster import WrongVersion, roster_change
from adsum.domain.selection import SELECTED, flaws_of_form, flaws_of_roster, requested_marks
from adsum.domain.statuses import Mark
from adsum.domain.submission import Submission
from adsum.errors import Flaw, Invalid, NotFound, RosterChanged
from adsum.storage.classes import ClassRow, find_class
from adsum.storage.database import Connection
from adsum.storage.enrolments import enrolled_students
from adsum.storage.sessions import find_session
from adsum.storage.students import students_of_school


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """A submission that can be done: its batch, and the mark that each student is to get, in the roster's order."""

    school_id: int
    batch: Batch
    requested: dict[int, Mark]


async def check(
    connection: Connection, submission: Submission, caller: Caller, *, now: datetime, max_batch_size: int
) -> CheckedSubmission:
    """Checks a submission against the school as it is.

    Raises:
        NotFound: the caller sees no such class on that day.
        Invalid: with one flaw for every wrong thing.
        RosterChanged: the roster is not the one that the client saw.
    """
    class_ = await find_class(connection, caller, submission.class_id) if _is_id(submission.class_id) else None
    if class_ is None:
        raise _no_class(submission)
    day, flaws = _day_of(submission, class_.time_zone, now)
    # Whose sight of a class does not depend on the day has seen it already.
    if day is not None and caller.teaches_only and not await find_class(connection, caller, submission.class_id, day):
        raise _no_class(submission)
    flaws += await _flaws_of_session(connection, submission)
    too_large = _flaws_of_size(submission, max_batch_size)
    flaws += too_large or flaws_of_form(submission.selection)
    if day is None or too_large:
        raise _invalid(flaws)
    return await _check_roster(connection, submission, caller, class_, day, flaws, max_batch_size)


async def _check_roster(
    connection: Connection,
    submission: Submission,
    caller: Caller,
    class_: ClassRow,
    day: date,
    flaws: list[Flaw],
    max_batch_size: int,
) -> CheckedSubmission:
    roster = await enrolled_students(connection, class_.id, day)
    flaws += _flaws_of_version(submission, roster)
    flaws += await _flaws_off_roster(connection, submission, caller, class_.school_id, roster)
    requested = requested_marks(submission.selection, roster)
    if submission.selection.is_selected_all and not roster:
        flaws.append(Flaw("empty_roster", f"nobody is enrolled in class {class_.id} on {day.isoformat()}", "/classId"))
    if len(requested) > max_batch_size:
        flaws.append(_too_large(len(requested), max_batch_size))
    if flaws:
        raise _invalid(flaws)
    return CheckedSubmission(class_.school_id, Batch(class_.id, submission.session_id, day), requested)


def _is_id(number: int) -> bool:
    """The database keeps no other numbers; a library's user may send any."""
    return 1 <= number <= MAX_ID


def _no_class(submission: Submission) -> NotFound:
    return NotFound(f"there is no class {submission.class_id}", classId=submission.class_id)


def _day_of(submission: Submission, zone: str, now: datetime) -> tuple[date | None, list[Flaw]]:
    try:
        return learning_date(submission.learning_date, zone, now), []
    except WrongDay as error:
        return None, [Flaw(error.code, str(error), "/learningDate")]


async def _flaws_of_session(connection: Connection, submission: Submission) -> list[Flaw]:
    session = await find_session(connection, submission.session_id) if _is_id(submission.session_id) else None
    if session is not None and session.class_id == submission.class_id:
        return []
    # One error for both, so that nobody can probe for sessions of classes that they do not see.
    detail = f"class {submission.class_id} has no session {submission.session_id}"
    return [Flaw("session_not_of_class", detail, "/sessionId", {"sessionId": submission.session_id})]


def _flaws_of_size(submission: Submission, most: int) -> list[Flaw]:
    """Looks at no more ids than it must: a body may name a hundred thousand."""
    selection = submission.selection
    named = len(selection.selected) + len(selection.unselected) + len(selection.marks)
    # A student may stand in a list and in `marks`.
    return [_too_large(named, most)] if named > 2 * most else []


def _too_large(number: int, most: int) -> Flaw:
    detail = f"{number} students are more than the {most} that a batch may have"
    return Flaw("batch_too_large", detail, SELECTED, {"most": most})


def _flaws_of_version(submission: Submission, roster: Sequence[int]) -> list[Flaw]:
    if submission.roster_version is None:
        return []
    try:
        change = roster_change(submission.roster_version, roster)
    except WrongVersion as error:
        return [Flaw("wrong_roster_version", str(error), "/rosterVersion")]
    if change is not None:
        detail = f"since then {len(change.joined)} joined the class and {len(change.left)} left it"
        flaw = Flaw(RosterChanged.code, detail, "/rosterVersion")
        raise RosterChanged(detail, [flaw], joined=list(change.joined), left=list(change.left))
    return []


async def _flaws_off_roster(
    connection: Connection, submission: Submission, caller: Caller, school_id: int, roster: Sequence[int]
) -> list[Flaw]:
    enrolled = frozenset(roster)
    strangers = {student_id for _, student_id in submission.selection.mentioned} - enrolled
    if not strangers:
        return []
    sees_school = not caller.teaches_only and caller.may(Permission.ROSTER_READ)
    known = await students_of_school(connection, school_id, strangers) if sees_school else frozenset[int]()
    return flaws_of_roster(submission.selection, enrolled, known, sees_school=sees_school)


def _invalid(flaws: Sequence[Flaw]) -> Invalid:
    more = f", and {len(flaws) - 1} more" if len(flaws) > 1 else ""
    return Invalid("; ".join(flaw.detail for flaw in islice(flaws, 1)) + more, flaws)
