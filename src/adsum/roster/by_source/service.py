"""The roster of a platform without OneRoster files: each class, student, session and enrolment put under its own id."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, Violation
from adsum.roster.by_source import repository as sourced
from adsum.roster.by_source.rules import MAX_NAME, SourcedClass, SourcedEnrolment, SourcedSession, SourcedStudent
from adsum.schools.repository import lock_school
from adsum.schools.service import require_school


@dataclass(frozen=True, slots=True)
class Put:
    """What was put: the id that it has here, and whether it is new."""

    id: int
    is_new: bool


class SourcedRoster:
    """Every method puts one thing under the id that the platform has for it, in a school: it is added, or changed where
    it differs. Twice is once, also at once. Each raises Forbidden without `roster:import`, NotFound for a school that
    the caller does not see, and Invalid with one violation for every wrong thing.

    A complete OneRoster file of the same school ends what it does not have, whoever has put it there.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_class(self, school_id: int, source_id: str, said: SourcedClass, caller: Caller) -> Put:
        """Puts a class."""
        async with self._school(school_id, caller) as connection:
            _refuse([*_validate_id(source_id), *said.violations()])
            known = await sourced.class_id_of(connection, school_id, source_id)
            values = {"school_id": school_id, "source_id": source_id, **asdict(said)}
            return Put(await sourced.put_class(connection, known, values), known is None)

    async def put_student(self, school_id: int, source_id: str, said: SourcedStudent, caller: Caller) -> Put:
        """Puts a student."""
        async with self._school(school_id, caller) as connection:
            _refuse([*_validate_id(source_id), *said.violations()])
            known = await sourced.student_id_of(connection, school_id, source_id)
            values = {"school_id": school_id, "source_id": source_id, **asdict(said)}
            return Put(await sourced.put_student(connection, known, values), known is None)

    async def put_session(self, school_id: int, source_id: str, said: SourcedSession, caller: Caller) -> Put:
        """Puts a session. One of the same class and period that bears no id yet, as roster files make them, gets it."""
        async with self._school(school_id, caller) as connection:
            class_id = await sourced.class_id_of(connection, school_id, said.class_source_id)
            known = await sourced.session_of(connection, school_id, source_id)
            violations = [
                *_validate_id(source_id),
                *said.violations(),
                *_unknown("class", said.class_source_id, class_id),
            ]
            if class_id is not None and known is not None and known.class_id != class_id:
                detail = "what was recorded in a session is of its class: put this one under another id"
                violations.append(Violation("reassigned_id", detail, "/classSourcedId"))
            of_period = None
            if class_id is not None:
                of_period = await sourced.session_of_period(connection, class_id, said.period)
                if of_period is not None and of_period.source_id not in {None, source_id}:
                    detail = f"the class has another session of the period {said.period!r}"
                    violations.append(Violation("period_taken", detail, "/period"))
            _refuse(violations)
            same = known or of_period
            values = {"class_id": class_id, "source_id": source_id, "period": said.period}
            row_id = None if same is None else same.id
            put = await sourced.put_session(connection, row_id, values | {"title": said.title, "active": said.active})
            return Put(put, same is None)

    async def put_enrolment(self, school_id: int, source_id: str, said: SourcedEnrolment, caller: Caller) -> Put:
        """Puts an enrolment. Whom it puts where does not change; when does."""
        async with self._school(school_id, caller) as connection:
            class_id = await sourced.class_id_of(connection, school_id, said.class_source_id)
            student_id = await sourced.student_id_of(connection, school_id, said.student_source_id)
            known = await sourced.enrolment_of(connection, school_id, source_id)
            violations = [
                *(*_validate_id(source_id), *said.violations()),
                *_unknown("class", said.class_source_id, class_id),
                *_unknown("student", said.student_source_id, student_id),
            ]
            if not violations and known is not None and (known.class_id, known.student_id) != (class_id, student_id):
                detail = "this id is of another student or class: end it, and put the new enrolment under another id"
                violations.append(Violation("reassigned_id", detail, "/studentSourcedId"))
            _refuse(violations)
            days = {"begin_date": said.begin_date, "end_date": said.end_date}
            values = {"class_id": class_id, "student_id": student_id, "source_id": source_id, **days}
            row_id = None if known is None else known.id
            return Put(await sourced.put_enrolment(connection, row_id, values), known is None)

    @asynccontextmanager
    async def _school(self, school_id: int, caller: Caller) -> AsyncGenerator[Connection]:
        """A transaction in which nobody else puts anything into this school: so no id is given twice."""
        require_permission(caller, Permission.ROSTER_IMPORT)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await lock_school(connection, school_id)
            yield connection


def _validate_id(source_id: str) -> Iterable[Violation]:
    if not source_id.strip() or len(source_id) > MAX_NAME:
        yield Violation("wrong_form", f"an id has 1 to {MAX_NAME} characters", "/path/sourcedId")


def _unknown(what: str, source_id: str, known: Any) -> Iterable[Violation]:
    if known is None:
        detail = f"the school has no {what} {source_id[:40]!r}"
        yield Violation(f"unknown_{what}", detail, f"/{what}SourcedId", {"sourcedId": source_id[:40]})


def _refuse(violations: Iterable[Violation]) -> None:
    found = list(violations)
    if found:
        raise Invalid("; ".join(violation.detail for violation in found), found)
