"""Unexplained absences: the office explains all absences of a student on a day together."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adsum.absences.unexplained import MAX_EXPLAINED, UnexplainedAbsences
from adsum.accounts.access import Role
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.attendance.repository import list_changes
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.platform.ids import Batch
from adsum.roster.rules import NamedIds
from adsum.roster.service import Naming
from tests.absences.conftest import Office
from tests.support.api import DAY as OF_API
from tests.support.schools import SchoolIds, caller, make_record, make_school, make_session

DAY, NEXT = date(2024, 12, 25), date(2024, 12, 26)
NOON = datetime(2024, 12, 27, 12, tzinfo=UTC)


def unexplained_absences(database: Database) -> UnexplainedAbsences:
    return UnexplainedAbsences(database, lambda: NOON)


async def absent_twice(database: Database) -> tuple[SchoolIds, list[int]]:
    """The first student is absent in two sessions of a day and the next; the second is excused, the third present."""
    async with database.transaction() as connection:
        school = await make_school(connection, students=3)
        second = await make_session(connection, school.class_id, period="2")
        ada, bo, cy = school.student_ids
        batches = [Batch(school.class_id, session_id, DAY) for session_id in (school.session_id, second)]
        ids = [await make_record(connection, school.school_id, batch, ada, status="absent") for batch in batches]
        await make_record(connection, school.school_id, batches[0], bo, status="excused")
        await make_record(connection, school.school_id, batches[0], cy)
        tomorrow = Batch(school.class_id, school.session_id, NEXT)
        await make_record(connection, school.school_id, tomorrow, ada, status="absent")
    return school, ids


async def test_all_absences_of_a_student_and_day_are_explained_once(database: Database) -> None:
    school, ids = await absent_twice(database)
    office = caller(Role.OFFICE, school.school_id)
    ada, bo, _ = school.student_ids
    service = unexplained_absences(database)
    found = await service.find(school.school_id, [(ada, DAY), (bo, NEXT)], office)
    assert {key: [row.id for row in rows] for key, rows in found.items()} == {(ada, DAY): ids}

    explained = await service.explain(school.school_id, [(ada, DAY), (bo, NEXT)], "excused", " flu ", office)
    assert {key: [row.id for row in rows] for key, rows in explained.items()} == {(ada, DAY): ids}
    assert await service.explain(school.school_id, [(ada, DAY)], "excused", "again", office) == {}
    assert list(await service.find(school.school_id, [(ada, DAY), (ada, NEXT)], office)) == [(ada, NEXT)]
    async with database.snapshot() as connection:
        newest, first = await list_changes(connection, ids[0], None, 5)
    assert (newest.old_status, newest.new_status, newest.reason, first.version) == ("absent", "excused", "flu", 1)


async def test_a_status_that_explains_nothing_a_missing_reason_and_other_callers_are_refused(
    database: Database,
) -> None:
    school, _ = await absent_twice(database)
    ada, service = [(school.student_ids[0], DAY)], unexplained_absences(database)
    office = caller(Role.OFFICE, school.school_id)
    with pytest.raises(Invalid) as wrong:
        await service.explain(school.school_id, ada, "late", " ", office)
    assert [violation.code for violation in wrong.value.violations] == ["unknown_status", "reason_missing"]
    with pytest.raises(Invalid) as too_long:
        await service.explain(school.school_id, ada, "excused", "x" * 501, office)
    assert [violation.code for violation in too_long.value.violations] == ["reason_too_long"]
    for chosen, code in (([], "too_short"), ([(1, DAY)] * (MAX_EXPLAINED + 1), "too_long")):
        with pytest.raises(Invalid) as wrong:
            await service.explain(school.school_id, chosen, "excused", "flu", office)
        assert [violation.code for violation in wrong.value.violations] == [code]
        with pytest.raises(Invalid):
            await service.undo(school.school_id, chosen, office)
    with pytest.raises(Forbidden):
        await service.explain(school.school_id, ada, "excused", "flu", caller(Role.TEACHER, school.school_id, 1))
    with pytest.raises(NotFound):
        await service.find(school.school_id, ada, caller(Role.VIEWER, school.school_id + 1))


async def test_an_explanation_is_undone_by_its_author_unless_the_record_has_changed_since(database: Database) -> None:
    school, ids = await absent_twice(database)
    ada, chosen = school.student_ids[0], [(school.student_ids[0], DAY)]
    office = caller(Role.OFFICE, school.school_id, school.teacher_id)
    service = unexplained_absences(database)
    await service.explain(school.school_id, chosen, "excused", "flu", office)
    own = await service.explained(school.school_id, [(ada, DAY), (ada, NEXT)], office)
    assert {key: [each.record.id for each in of_day] for key, of_day in own.items()} == {(ada, DAY): ids}
    assert {each.change.reason for each in own[ada, DAY]} == {"flu"}

    colleague = caller(Role.OFFICE, school.school_id)
    assert await service.explained(school.school_id, chosen, colleague) == {}
    assert await service.undo(school.school_id, chosen, colleague) == {}
    corrections = Corrections(database, lambda: NOON)
    await corrections.correct(ids[1], None, Correction(note="by phone", reason="a call"), office)

    undone = await service.undo(school.school_id, chosen, office)
    assert [row.id for row in undone[ada, DAY]] == ids[:1]
    assert await service.undo(school.school_id, chosen, office) == {}
    found = await service.find(school.school_id, chosen, office)
    assert [row.id for row in found[ada, DAY]] == ids[:1]
    async with database.snapshot() as connection:
        newest, *_ = await list_changes(connection, ids[0], None, 5)
    assert (newest.old_status, newest.new_status, newest.user_id) == ("excused", "absent", school.teacher_id)
    with pytest.raises(Forbidden):
        await service.undo(school.school_id, chosen, caller(Role.TEACHER, school.school_id, 1))


async def test_undoing_an_explanation_opens_the_dispute_again_that_it_resolved(office: Office) -> None:
    student, school_id = office.school.student_ids[0], office.school.school_id
    await office.take(marks=[{"studentId": student, "status": "absent"}], role="office")
    await office.take(marks=[{"studentId": student, "status": "present"}], onExisting="update")
    assert len(await office.contradictions()) == 1
    service, actor = office.adsum.unexplained_absences, caller(Role.OFFICE, school_id)
    day = [(student, date.fromisoformat(OF_API))]

    await service.explain(school_id, day, "excused", "flu", actor)
    assert await office.contradictions() == []
    await service.undo(school_id, day, actor)
    assert [each["recorded"] for each in await office.contradictions()] == ["absent"]


def test_only_authorised_statuses_in_use_explain_an_absence() -> None:
    retired = Status("leave", "Leave", "V", CountsAs.ABSENT, retired_at=NOON)
    assert SchoolStatuses([retired]).authorised_absences == ["excused"]


async def test_callers_with_the_right_to_read_the_roster_get_the_names_of_ids(database: Database) -> None:
    school, _ = await absent_twice(database)
    ids = NamedIds(school.student_ids[:1], [school.class_id], [school.session_id], [school.teacher_id])
    naming = Naming(database)
    names = await naming.names_of(ids, caller(Role.VIEWER, school.school_id))
    assert names.students == {school.student_ids[0]: "Given 1 Family 0001"}
    assert (
        await naming.names_of_students(school.student_ids[:1], caller(Role.VIEWER, school.school_id)) == names.students
    )
    assert (names.classes, names.sessions) == ({school.class_id: "7b"}, {school.session_id: "Attendance"})
    assert names.people == {}  # the user has no name yet

    stranger = await naming.names_of(ids, caller(Role.VIEWER, school.school_id + 1))
    unknowing = await naming.names_of(ids, caller(Role.OPERATOR, school.school_id))
    assert (stranger.students, stranger.classes, stranger.sessions, unknowing.students) == ({}, {}, {}, {})
