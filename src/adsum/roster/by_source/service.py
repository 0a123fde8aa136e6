"""Upserts of classes, students, sessions and enrolments under the ids of another platform, one at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.tombstones import Erased, was_erased
from adsum.platform.days import Span
from adsum.platform.errors import Violation, refuse
from adsum.platform.texts import validate_roster_text
from adsum.roster.by_source import repository as statements
from adsum.roster.by_source.rules import (
    MAX_NAME,
    SourcedClass,
    SourcedEnrolment,
    SourcedSession,
    SourcedStudent,
    StudentErased,
)
from adsum.roster.repository.session_validity import day_of_school, follow_roster, start_classes
from adsum.roster.terms.repository import bounds_of_class
from adsum.roster.terms.rules import bounded
from adsum.schools.locks import lock_rosters, lock_school
from adsum.schools.repository import today_of_school
from adsum.schools.stale_days import mark_stale_classes


@dataclass(frozen=True, slots=True)
class Upserted:
    """The id of an inserted or updated row, and whether it is new."""

    id: int
    is_new: bool


class SourcedRoster:
    """Inserts a row, or updates it if it differs. Every method is idempotent, also for concurrent callers.

    Each raises Forbidden without `roster:import`, NotFound for a school that the caller does not see, and Invalid with
    every violation. A later complete OneRoster file of the school ends rows that it does not contain. `now` is the
    clock: sessions begin and end on the school's today.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def put_class(
        self, school_id: int, source_id: str, row: SourcedClass, caller: Caller, *, valid_from: date | None = None
    ) -> Upserted:
        """Upserts a class. Its sessions end or come back with it: on `valid_from`, or on the school's today."""
        async with self._locked_school(school_id, caller) as connection:
            refuse([*_validate_id(source_id), *row.violations()])
            class_id = await statements.class_id_of(connection, school_id, source_id)
            values = {"school_id": school_id, "source_id": source_id, **asdict(row)}
            upserted = Upserted(await statements.upsert_class(connection, class_id, values), class_id is None)
            day = valid_from or await today_of_school(connection, school_id, self._now())
            await follow_roster(connection, day_of_school(school_id, day), upserted.id)
            return upserted

    async def put_student(self, school_id: int, source_id: str, row: SourcedStudent, caller: Caller) -> Upserted:
        """Upserts a student. The id of a merged record names the kept student, and changes neither name nor grade.

        A student of the school whose home is another one, such as a former student, keeps name and grade: only their
        home school changes these. The contacts of a student who leaves the school are deleted.

        Raises:
            StudentErased: the student was erased at this school.
        """
        async with self._locked_school(school_id, caller) as connection:
            refuse([*_validate_id(source_id), *row.violations()])
            student = await statements.student_of(connection, school_id, source_id)
            if student is None:
                await _refuse_erased(connection, school_id, source_id, "/path/sourcedId")
            if student is not None and student.school_id != school_id:
                await statements.set_active_at(connection, school_id, student.id, active=row.active)
                upserted = Upserted(student.id, is_new=False)
            else:
                values = {"school_id": school_id, "source_id": source_id, **row.to_row()}
                row_id = await statements.upsert_student(connection, student.row_id if student else None, values)
                upserted = Upserted(student.id if student else row_id, student is None)
            if not row.active:
                await statements.delete_contacts_of_leaver(connection, school_id, upserted.id)
            return upserted

    async def put_session(
        self, school_id: int, source_id: str, row: SourcedSession, caller: Caller, *, valid_from: date | None = None
    ) -> Upserted:
        """Upserts a session. A session of the same class and period without a source id gets this one.

        It begins or ends on `valid_from`; None: on the school's today, and since ever where the class starts with it.
        """
        async with self._locked_school(school_id, caller) as connection:
            class_id = await statements.class_id_of(connection, school_id, row.class_source_id)
            existing = await statements.session_of(connection, school_id, source_id)
            violations = [
                *_validate_id(source_id),
                *row.violations(),
                *_validate_reference("class", row.class_source_id, class_id),
            ]
            if class_id is not None and existing is not None and existing.class_id != class_id:
                detail = "the records of a session belong to its class: put this session under another id"
                violations.append(Violation("reassigned_id", detail, "/classSourcedId"))
            of_period = None
            if class_id is not None:
                of_period = await statements.session_of_period(connection, class_id, row.period)
                if of_period is not None and of_period.source_id not in {None, source_id}:
                    detail = f"the class has another session of the period {row.period!r}"
                    violations.append(Violation("period_taken", detail, "/period"))
            refuse(violations)
            assert class_id is not None, "an unknown class is a violation"
            target = existing or of_period
            values = {"class_id": class_id, "source_id": source_id, "period": row.period}
            values |= {"title": row.title, "active": row.active}
            day = valid_from or await today_of_school(connection, school_id, self._now())
            if target is None:
                values |= {"begin_date": day}
            session_id = await statements.upsert_session(connection, target.id if target else None, values)
            await follow_roster(connection, day_of_school(school_id, day), class_id)
            if target is None and valid_from is None:
                await start_classes(connection, [session_id])
            return Upserted(session_id, target is None)

    async def put_enrolment(self, school_id: int, source_id: str, row: SourcedEnrolment, caller: Caller) -> Upserted:
        """Upserts an enrolment. Its dates may change, its student and class may not.

        Raises:
            StudentErased: the student was erased at this school.
        """
        async with self._locked_school(school_id, caller) as connection:
            class_id = await statements.class_id_of(connection, school_id, row.class_source_id)
            student = await statements.student_of(connection, school_id, row.student_source_id)
            if student is None:
                await _refuse_erased(connection, school_id, row.student_source_id, "/studentSourcedId")
            student_id = student.id if student else None
            existing = await statements.enrolment_of(connection, school_id, source_id)
            violations = [
                *(*_validate_id(source_id), *row.violations()),
                *_validate_reference("class", row.class_source_id, class_id),
                *_validate_reference("student", row.student_source_id, student_id),
            ]
            of_other = existing is not None and (existing.class_id, existing.student_id) != (class_id, student_id)
            if not violations and of_other:
                detail = "this id is of another student or class: end it, and put the new enrolment under another id"
                violations.append(Violation("reassigned_id", detail, "/studentSourcedId"))
            refuse(violations)
            values = {"class_id": class_id, "student_id": student_id, "source_id": source_id}
            bounds = await bounds_of_class(connection, class_id) if class_id is not None else None
            dates = bounded(Span(row.begin_date, row.end_date), bounds)
            values |= asdict(dates)
            row_id = existing.id if existing else None
            span = Span(dates.begin_date, dates.end_date)
            if class_id is not None and (existing is None or span.exceeds(existing.span)):
                await mark_stale_classes(connection, {class_id: span})
            return Upserted(await statements.upsert_enrolment(connection, row_id, values), existing is None)

    @asynccontextmanager
    async def _locked_school(self, school_id: int, caller: Caller) -> AsyncGenerator[Connection]:
        """A transaction that locks the school, so that two callers cannot insert the same source id."""
        require_permission(caller, Permission.ROSTER_IMPORT)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await lock_rosters(connection, [school_id])
            await lock_school(connection, school_id)
            yield connection


async def _refuse_erased(connection: Connection, school_id: int, source_id: str, pointer: str) -> None:
    if await was_erased(connection, Erased.STUDENT, school_id, source_id):
        raise StudentErased(pointer)


def _validate_id(source_id: str) -> Iterable[Violation]:
    if not source_id or source_id != source_id.strip() or len(source_id) > MAX_NAME:
        detail = f"an id has 1 to {MAX_NAME} characters, and no blanks at its ends"
        yield Violation("wrong_form", detail, "/path/sourcedId")
    yield from validate_roster_text(source_id, "/path/sourcedId")


def _validate_reference(kind: str, source_id: str, row_id: int | None) -> Iterable[Violation]:
    if row_id is None:
        detail = f"the school has no {kind} {source_id[:40]!r}"
        yield Violation(f"unknown_{kind}", detail, f"/{kind}SourcedId", {"sourcedId": source_id[:40]})
