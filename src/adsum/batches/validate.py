"""Validates submissions: finds every violation before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from adsum.accounts.access import Caller, Permission
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.repository.submissions import BatchSnapshot, ClassContext, ContextQuery, find_class_contexts
from adsum.batches.run import recorded_already
from adsum.batches.submission import (
    SELECTED,
    KnownStudents,
    Submission,
    requested_marks,
    validate_form,
    validate_roster,
)
from adsum.platform.database.engine import Connection
from adsum.platform.days import WrongDay, days_meant, learning_date, today_in
from adsum.platform.errors import (
    AdsumError,
    Forbidden,
    Invalid,
    NotFound,
    Notice,
    RecordsExist,
    RosterChanged,
    Violation,
    caught,
    refuse,
)
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.texts import validate_reason
from adsum.roster.repository.students import schools_of_students
from adsum.roster.rules import WrongVersion, roster_change
from adsum.schools.calendar.rules import end_on, violation_of_closure
from adsum.schools.rules import EditWindow


class Request(NamedTuple):
    """A submission, its sender, and the context of its trace."""

    submission: Submission
    caller: Caller
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """A submission of a class that the caller sees, on a known day.

    Attributes:
        submission: the request.
        caller: its sender.
        context: the class, its school and its session, and the state of the batch.
        batch: to which it belongs.
        violations: found so far; a submission that `check_submissions` returns has none.
        requested: the mark of each student, in the order of the roster; known once it is checked.
    """

    submission: Submission
    caller: Caller
    context: ClassContext
    batch: Batch
    violations: Sequence[Violation]
    requested: Mapping[int, Mark] = field(default_factory=dict[int, Mark])

    @property
    def fence(self) -> int:
        """The fence of the session. A submission without a session has a violation."""
        assert self.context.fence is not None
        return self.context.fence

    @property
    def forced_reason(self) -> str | None:
        """Why attendance is recorded on a closed day, or about a day after the edit window."""
        # `force` on an open day needs no reason.
        is_needed = not self.submission.force or self.context.calendar.closure(self.batch.learning_date)
        return self.submission.reason if is_needed else None

    @property
    def warnings(self) -> tuple[Notice, ...]:
        return self.context.calendar.warnings(self.batch.learning_date)


async def check_submissions(
    connection: Connection, requests: Sequence[Request], *, now: datetime, max_batch_size: int
) -> list[CheckedSubmission | AdsumError]:
    """Checks each submission by itself against the current state of its school.

    Returns:
        For each the checked submission or its error. NotFound: the caller sees no such class on that day. Invalid: has
        one violation for each error. RosterChanged: the client has another version of the roster.
    """
    queries = {_query(each) for each in requests if _is_id(each.submission.class_id)}
    contexts = await find_class_contexts(connection, queries)
    statuses = await _find_statuses(connection, requests, contexts)
    checks = [
        caught(_check_class, each, contexts.get(_query(each)), statuses, now, max_batch_size) for each in requests
    ]
    checks = await _with_contexts_of_days(connection, checks)
    return [
        await _check_students(connection, request, check, contexts.get(_query(request)), max_batch_size)
        for request, check in zip(requests, checks, strict=True)
    ]


def snapshots_of(checked: Sequence[CheckedSubmission]) -> dict[Batch, BatchSnapshot]:
    """The state of each batch, without its open run.

    Two submissions of a batch may have states that were read one after the other. The later one is safe for both: a run
    is not inserted with an older fence than the current one.
    """
    snapshots: dict[Batch, BatchSnapshot] = {}
    for each in sorted(checked, key=lambda each: each.fence):
        assert each.context.snapshot is not None, "the context is that of one day"
        snapshots[each.batch] = each.context.snapshot
    return snapshots


def refuse_recorded(check: CheckedSubmission, records: Mapping[int, RecordedMark]) -> None:
    """Raises RecordsExist if a requested student has a mark, for a submission with `onExisting: fail`."""
    recorded = recorded_already(check.requested, records)
    if not recorded:
        return
    pointers = {student_id: pointer for pointer, student_id in check.submission.selection.mentioned}
    violations = [
        Violation("already_recorded", f"student {i} has a record", pointers.get(i, "/isSelectedAll"), {"studentId": i})
        for i in recorded
    ]
    raise RecordsExist(f"{len(recorded)} of {len(check.requested)} students have a record already", violations)


def _query(request: Request | CheckedSubmission, day: date | None = None) -> ContextQuery:
    """The query for the context of a submission on `day`; None: on each day that it can mean."""
    submission, caller = request.submission, request.caller
    session_id = submission.session_id if _is_id(submission.session_id) else None
    teacher_id = caller.user_id if caller.teaches_only else None
    days = days_meant(submission.learning_date) if day is None else (day, day)
    return ContextQuery(submission.class_id, session_id, teacher_id, days)


def _is_id(number: int) -> bool:
    """Whether the database can store it; a library may send any number."""
    return 1 <= number <= MAX_ID


async def _find_statuses(
    connection: Connection, requests: Sequence[Request], contexts: Mapping[ContextQuery, ClassContext]
) -> Mapping[int, SchoolStatuses]:
    """By school, where a submission names statuses: `present` and `absent` always exist."""
    naming = (contexts.get(_query(each)) for each in requests if each.submission.selection.marks)
    schools = {context.school_id for context in naming if context is not None}
    return await find_statuses(connection, schools) if schools else {}


async def _with_contexts_of_days(
    connection: Connection, checks: Sequence[CheckedSubmission | AdsumError]
) -> Sequence[CheckedSubmission | AdsumError]:
    """The checks with contexts of exactly their days. Some days are known only with the time zone of the school."""
    queries = {
        i: _query(each, each.batch.learning_date)
        for i, each in enumerate(checks)
        if isinstance(each, CheckedSubmission) and each.context.day is None
    }
    if not queries:
        return checks
    contexts = await find_class_contexts(connection, set(queries.values()))
    return [
        replace(each, context=contexts[queries[i]]) if isinstance(each, CheckedSubmission) and i in queries else each
        for i, each in enumerate(checks)
    ]


def _check_class(
    request: Request,
    context: ClassContext | None,
    statuses: Mapping[int, SchoolStatuses],
    now: datetime,
    max_batch_size: int,
) -> CheckedSubmission:
    submission, caller, _ = request
    # A caller who teaches the class on no day must not learn from an error about the day that the class exists.
    if context is None or not context.is_visible_to(caller, None):
        raise _no_class(submission)
    day, violations = _day_of(submission.learning_date, context.time_zone, now)
    if day is not None and not context.is_visible_to(caller, day):
        raise _no_class(submission)
    if submission.force and caller.teaches_only:
        raise _force_not_allowed()
    violations += _validate_session(submission, context)
    violations += _validate_day(submission, caller, context, day, now)
    too_large = _validate_size(submission, max_batch_size)
    ends = end_on(day, context.calendar.times) if day is not None else None
    known_statuses = statuses.get(context.school_id) or SchoolStatuses()
    violations += too_large or validate_form(submission.selection, known_statuses, ends)
    if day is None or too_large:
        refuse(violations)
    assert day is not None, "a day that cannot be read is a violation"
    batch = Batch(submission.class_id, submission.session_id, day)
    return CheckedSubmission(submission, caller, context, batch, violations)


async def _check_students(
    connection: Connection,
    request: Request,
    check: CheckedSubmission | AdsumError,
    context: ClassContext | None,
    max_batch_size: int,
) -> CheckedSubmission | AdsumError:
    """Adds the violations of the named students to a check."""
    if isinstance(check, CheckedSubmission):
        return await _check_roster(connection, check, max_batch_size)
    is_too_large = _validate_size(request.submission, max_batch_size)
    if context is None or not isinstance(check, Invalid) or is_too_large:
        return check
    return await _with_unknown_students(connection, request, check, context)


async def _check_roster(
    connection: Connection, check: CheckedSubmission, max_batch_size: int
) -> CheckedSubmission | AdsumError:
    submission, roster = check.submission, check.context.roster
    off_roster = submission.selection.explicit.difference(roster)
    if not off_roster:
        return caught(_with_requested, check, [], max_batch_size)
    known = await _find_students(connection, check.caller, check.context, off_roster)
    violations = validate_roster(submission.selection, roster, known, submission.class_id)
    return caught(_with_requested, check, violations, max_batch_size)


async def _with_unknown_students(
    connection: Connection, request: Request, error: Invalid, context: ClassContext
) -> AdsumError:
    """The error of a wrong day, which has no roster: with the students who are on no roster of the school."""
    submission, caller, _ = request
    known = await _find_students(connection, caller, context, submission.selection.explicit)
    if known is None:
        return error
    unknown = validate_roster(submission.selection, known.of_school, known, submission.class_id)
    return caught(refuse, [*error.violations, *unknown]) or error


async def _find_students(
    connection: Connection, caller: Caller, context: ClassContext, student_ids: Collection[int]
) -> KnownStudents | None:
    """Those of `student_ids` whom the caller sees; None: the caller may not read the whole school."""
    if caller.teaches_only or not caller.may(Permission.ROSTER_READ):
        return None
    schools = await schools_of_students(connection, caller, student_ids)
    of_school = {student_id for student_id, of_student in schools.items() if context.school_id in of_student}
    return KnownStudents(of_school, schools.keys() - of_school)


def _with_requested(
    check: CheckedSubmission, off_roster: Sequence[Violation], max_batch_size: int
) -> CheckedSubmission:
    submission, roster = check.submission, check.context.roster
    violations = [*check.violations, *_validate_version(submission, roster), *off_roster]
    requested = requested_marks(submission.selection, roster)
    if submission.selection.is_selected_all and not roster:
        day = check.batch.learning_date.isoformat()
        detail = f"no student is enrolled in class {submission.class_id} on {day}"
        violations.append(Violation("empty_roster", detail, "/classId"))
    if len(requested) > max_batch_size:
        violations.append(_too_large(len(requested), max_batch_size))
    refuse(violations)
    return replace(check, violations=(), requested=requested)


def _no_class(submission: Submission) -> NotFound:
    return NotFound(f"there is no class {submission.class_id}", classId=submission.class_id)


def _day_of(text: str, zone: str, now: datetime) -> tuple[date | None, list[Violation]]:
    try:
        return learning_date(text, zone, now), []
    except WrongDay as error:
        return None, [Violation(error.code, str(error), "/learningDate")]


def _validate_session(submission: Submission, context: ClassContext) -> list[Violation]:
    if context.fence is not None:
        return []
    # The same error for a session of another class and one that does not exist, so that ids cannot be probed.
    detail = f"class {submission.class_id} has no session {submission.session_id}"
    return [Violation("session_not_of_class", detail, "/sessionId", {"sessionId": submission.session_id})]


def _force_not_allowed() -> Forbidden:
    detail = "only the office may force a closed day"
    return Forbidden(detail, [Violation("force_not_allowed", detail, "/force")])


def _validate_day(
    submission: Submission, caller: Caller, context: ClassContext, day: date | None, now: datetime
) -> list[Violation]:
    """Whether attendance of that day may be recorded, and, where that needs a reason, whether there is one."""
    if day is None:
        return _validate_force(submission, is_late=False)
    window = _edit_window(context, now)
    late = list(window.violations(day, submission.reason, overrules=caller.overrules))
    violations = [*late, *([] if late else _validate_force(submission, is_late=window.is_over(day)))]
    closure = context.calendar.closure(day)
    if closure is not None and not submission.force:
        violations.append(violation_of_closure(closure))
    return violations


def violations_of_day(context: ClassContext, day: date, caller: Caller, now: datetime) -> list[Violation]:
    """The violations of every request of this caller for `day` that has neither `force` nor a reason."""
    _, wrong = _day_of(day.isoformat(), context.time_zone, now)
    if wrong:
        return wrong
    violations = list(_edit_window(context, now).violations(day, None, overrules=caller.overrules))
    closure = context.calendar.closure(day)
    return violations if closure is None else [*violations, violation_of_closure(closure)]


def _edit_window(context: ClassContext, now: datetime) -> EditWindow:
    return EditWindow(context.edit_window_days, today_in(context.time_zone, now), context.records_from)


def _validate_force(submission: Submission, *, is_late: bool) -> list[Violation]:
    if submission.force and not (submission.reason or "").strip():
        return [Violation("missing_field", "force requires a reason", "/reason")]
    if submission.reason is not None and not submission.force and not is_late:
        return [Violation("reason_without_force", "a reason requires force: true", "/reason")]
    return list(validate_reason(submission.reason))


def _validate_size(submission: Submission, max_batch_size: int) -> list[Violation]:
    """Checked before the ids are looked up: a body may name a hundred thousand."""
    selection = submission.selection
    named = len(selection.selected) + len(selection.unselected) + len(selection.marks)
    # A student may be in a list and in `marks`.
    return [_too_large(named, max_batch_size)] if named > 2 * max_batch_size else []


def _too_large(number: int, max_batch_size: int) -> Violation:
    detail = f"a batch has at most {max_batch_size} students, not {number}"
    return Violation("batch_too_large", detail, SELECTED, {"most": max_batch_size})


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
