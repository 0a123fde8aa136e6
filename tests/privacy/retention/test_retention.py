"""Retention deletes due data, and nothing else: on both databases, after a crash, and while others write."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from adsum.absences.tables import absence_contacts, absence_versions, absences
from adsum.accounts.access import system_caller
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs
from adsum.operations.migrations.tables import metadata
from adsum.platform.errors import Invalid
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.retention import service
from adsum.privacy.retention.repository.deletions import OF_STUDENT
from adsum.privacy.retention.rules import DeletionNotConfirmed, Kind, Periods
from adsum.privacy.retention.service import Retention, RetentionRuns
from adsum.privacy.tables import retention_runs
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries, register_reminders
from adsum.reports.service import Summaries
from adsum.reports.tables import class_days, school_days, student_days, student_months, unmarked_students
from adsum.roster.tables import enrolments, student_contacts, students
from adsum.schools.tables import schools
from tests.attendance.corrections.conftest import Register, register
from tests.support.api import DAY, violations
from tests.support.schools import make_contact

__all__ = ["register"]
OFFICE = system_caller()
ONE_YEAR = Periods(records=1, notes=1, absences=1, students=1)
# The records of DAY, 25 December 2024, are those of 2024/25. With one year they go on 1 August 2026.
LAST_DAY = datetime(2026, 7, 31, 23, tzinfo=UTC)
NEXT_DAY = LAST_DAY + timedelta(hours=2)


def school_of(register: Register) -> int:
    return register.api.school.school_id


def retention(register: Register, now: datetime = NEXT_DAY) -> Retention:
    return Retention(register.adsum.database, lambda: now)


def runs(register: Register, now: datetime = NEXT_DAY, page: int = 500) -> RetentionRuns:
    return RetentionRuns(register.adsum.database, lambda: now, page)


async def count(register: Register, table: Any, *conditions: Any) -> int:
    async with register.adsum.database.snapshot() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


async def keep(register: Register, periods: Periods = ONE_YEAR, now: datetime = NEXT_DAY) -> None:
    preview = await retention(register, now).preview(school_of(register), periods, OFFICE)
    await retention(register, now).set(school_of(register), periods, OFFICE, preview.confirmation)


async def with_history(register: Register) -> None:
    """A corrected record with notes, an absence, and summaries."""
    await register.correct(status="late", note="bus", reason="phone call")
    body = {"studentIds": [register.api.school.student_ids[1]], "from": DAY, "to": DAY, "status": "excused"}
    assert (await register.api.post("/absences", body | {"reason": "doctor"}, "office")).is_success
    call = {"studentId": register.api.school.student_ids[0], "date": DAY, "result": "reached", "note": "flu"}
    assert (await register.api.post("/contacts", call | {"person": "mother"}, "office")).is_success
    reminded = {"school_id": school_of(register), "session_id": register.api.school.session_id}
    reminded |= {"reminded_at": NEXT_DAY, "reminded_role": "office"}
    async with register.adsum.database.transaction() as connection:
        visit = {"school_id": school_of(register), "student_id": register.api.school.student_ids[0], "kind": "arrival"}
        visit |= {"time": "09:00", "reason": "bus", "status": "absent", "runs": [], "entered_role": "office"}
        entered = insert(desk_entries).values(day=date.fromisoformat(DAY), entered_at=NEXT_DAY, **visit)
        await connection.execute(entered)
        await connection.execute(insert(register_reminders).values(learning_date=date.fromisoformat(DAY), **reminded))
    await Summaries(register.adsum.database).refresh(school_of(register))


async def test_nothing_goes_before_a_school_decides_and_before_the_years_are_over(register: Register) -> None:
    await with_history(register)
    before = await count(register, attendances)

    assert await runs(register).delete_all() == 0
    await keep(register)
    assert await runs(register, LAST_DAY).delete_all() == 0

    assert await count(register, attendances) == before
    assert (await register.api.get("/schools")).json()["items"][0]["recordsFrom"] == "2024-08-01"


EMPTIED = (
    *(attendances, attendance_changes, contradictions, absences, absence_versions, absence_contacts),
    *(student_days, class_days, school_days, student_months, unmarked_students, desk_entries, register_reminders),
)


async def test_a_school_year_goes_with_everything_that_hangs_on_its_records(register: Register) -> None:
    await with_history(register)
    await keep(register)
    preview = await retention(register).preview(school_of(register), None, OFFICE)
    due = {each.kind: (each.count, each.first_day, each.last_day) for each in preview.items}
    day = date.fromisoformat(DAY)
    # Three records and a reminder; the notes of a record and of a call; an absence, a call and an entry of the desk.
    assert due == {"records": (4, day, day), "notes": (2, day, day), "absences": (3, day, day)}

    rows = await runs(register, page=2).delete_all()

    assert rows >= 5
    for table in EMPTIED:
        assert await count(register, table) == 0, table
    assert await count(register, batch_runs) == 1, "counts stay"
    assert await count(register, batch_runs, batch_runs.c.pruned_at.is_(None)) == 0
    async with register.adsum.database.snapshot() as connection:
        ended = {row.kind: row.deleted for row in await connection.execute(select(retention_runs))}
        assert await connection.scalar(select(schools.c.records_from)) == date(2025, 8, 1)
    assert set(ended) == {"records", "notes", "absences"} - ({"notes"} - set(ended))
    assert await runs(register).delete_all() == 0
    await Summaries(register.adsum.database).refresh(school_of(register))
    assert await count(register, student_days) == 0
    exported = await register.adsum.student_data.export(register.api.school.student_ids[0], OFFICE)
    assert (exported.records, exported.days, exported.absences) == ([], [], [])


async def test_notes_go_earlier_than_records_also_from_their_history(register: Register) -> None:
    await with_history(register)
    await keep(register, Periods(records=5, notes=1))

    await runs(register, page=1).delete_all()

    assert await count(register, attendances) == 3
    data = await register.adsum.student_data.export(register.api.school.student_ids[0], OFFICE)
    (record,) = data.records
    assert (record["status"], record["note"], record["version"]) == ("late", None, 2)
    assert [(each["result"], each["person"], each["note"]) for each in data.contacts] == [("reached", None, None)]
    assert [(each["new_status"], each["new_note"], each["reason"]) for each in record["changes"]] == [
        ("late", None, None)
    ]
    assert await count(register, student_days) == 3


async def test_an_absence_goes_and_the_record_that_it_made_stays(register: Register) -> None:
    await with_history(register)
    async with register.adsum.database.transaction() as connection:
        absence_id = await connection.scalar(select(absences.c.id))
        student_id = register.api.school.student_ids[1]
        made = attendances.c.student_id == student_id
        await connection.execute(update(attendances).where(made).values(absence_id=absence_id))
    await keep(register, Periods(absences=1))

    await runs(register).delete_all()

    assert (await count(register, absences), await count(register, attendances)) == (0, 3)
    assert await count(register, attendances, attendances.c.absence_id.is_not(None)) == 0


async def test_data_of_a_student_on_hold_stay_and_reports_begin_later(register: Register) -> None:
    await with_history(register)
    held = register.api.school.student_ids[0]
    hold = await register.adsum.holds.place(held, HoldReason.LITIGATION, None, OFFICE)
    await keep(register)
    assert (await retention(register).preview(school_of(register), None, OFFICE)).held == 1

    await runs(register).delete_all()

    assert (
        await count(register, attendances, attendances.c.student_id == held) == await count(register, attendances) == 1
    )
    (record,) = (await register.adsum.student_data.export(held, OFFICE)).records
    assert (record["note"], len(record["changes"])) == ("bus", 1)
    await Summaries(register.adsum.database).refresh(school_of(register))
    assert await count(register, unmarked_students) == await count(register, student_days) == 0

    await register.adsum.holds.lift(hold.id, OFFICE)
    await runs(register).delete_all()
    assert await count(register, attendances) == 0


async def test_a_student_who_has_left_goes_after_their_data_and_may_come_back(register: Register) -> None:
    await with_history(register)
    left, stays, never_ended = register.api.school.student_ids
    async with register.adsum.database.transaction() as connection:
        for student_id, end in ((left, date(2025, 7, 31)), (stays, date(2025, 8, 2))):
            of_student = enrolments.c.student_id == student_id
            await connection.execute(update(enrolments).where(of_student).values(end_date=end))
        await connection.execute(update(students).values(active=False))
        for place, student_id in enumerate((left, stays), start=1):
            await make_contact(connection, school_of(register), student_id)
            seat = {"class_id": register.api.school.class_id, "student_id": student_id, "place": place}
            await connection.execute(insert(student_seats).values(seat))
    await keep(register)

    await runs(register).delete_all()

    async with register.adsum.database.snapshot() as connection:
        assert set(await connection.scalars(select(students.c.id))) == {stays, never_ended}
        assert list(await connection.scalars(select(student_contacts.c.student_id))) == [stays]
        assert list(await connection.scalars(select(student_seats.c.student_id))) == [stays]
    assert (await register.api.get(f"/students/{left}/data")).status_code == HTTPStatus.NOT_FOUND


def test_every_table_about_students_goes_with_a_period_or_with_the_student() -> None:
    about_students = {table for table in metadata.sorted_tables if "student_id" in table.c}
    others = about_students.difference(EMPTIED, OF_STUDENT)
    # Failures go with the plans of their runs. Entries of the audit log name the student by the id alone.
    assert {table.name for table in others} == {"job_failures", "audit_entries"}


async def test_a_day_that_was_deleted_is_neither_marked_nor_corrected(register: Register) -> None:
    await keep(register)
    async with register.adsum.database.transaction() as connection:
        await connection.execute(update(schools).values(records_from=date(2025, 8, 1)))

    marked = await register.api.create("office", learningDate=DAY)
    path = f"/attendances/{register.records[0]}"
    corrected = await register.api.change("PATCH", path, "office", '"1"', json={"status": "absent"})

    assert violations(marked) == {("/learningDate", "day_deleted")}
    assert violations(corrected) == {("/id", "day_deleted")}


async def test_a_killed_run_goes_on_and_counts_every_row_once(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_history(register)
    await keep(register)
    killed, real = runs(register, page=1), asyncio.sleep

    class Killed(BaseException):
        pass

    async def die(seconds: float) -> None:
        if await count(register, attendances) == 1:
            raise Killed
        await real(0)

    with monkeypatch.context() as patched:
        patched.setattr(service.asyncio, "sleep", die)
        with pytest.raises(Killed):
            await killed.delete_if_due()
    assert await count(register, attendances) == 1

    await runs(register, page=1).delete_all()

    async with register.adsum.database.snapshot() as connection:
        row = (await connection.execute(select(retention_runs).where(retention_runs.c.kind == "records"))).one()
    assert row.deleted == 3 + 1 + 1 + await summary_days(register), "records, a run, a reminder and summaries"
    assert row.ended_at is not None
    assert await count(register, attendances) == 0


async def summary_days(_register: Register) -> int:
    """Three days and three months of students, one of the class, one of the school."""
    return 3 + 3 + 1 + 1


async def test_the_chore_works_for_a_moment_and_then_rests(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    await with_history(register)
    await keep(register)
    monkeypatch.setattr(service, "BUDGET_S", -1.0)
    now = NEXT_DAY
    chore = RetentionRuns(register.adsum.database, lambda: now, 1)

    assert await chore.delete_if_due() == 1
    while await chore.delete_if_due():
        pass

    assert await count(register, attendances) == 0
    assert await chore.delete_if_due() == 0


async def test_a_longer_period_stops_a_run_that_has_begun(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    await with_history(register)
    await keep(register)
    monkeypatch.setattr(service, "BUDGET_S", -1.0)
    chore = runs(register, page=1)
    assert await chore.delete_if_due() == 1

    await keep(register, Periods(records=9, notes=9, absences=9))

    assert await chore.delete_if_due() == 0
    assert await count(register, attendances) == 2


async def test_the_records_of_an_open_run_stay_until_it_has_ended(register: Register) -> None:
    await with_history(register)
    await keep(register)
    async with register.adsum.database.transaction() as connection:
        counts = dict.fromkeys(("recorded_jobs", "skipped_jobs", "failed_jobs", "cancelled_jobs", "ended_at"))
        ended = (await connection.execute(select(*(batch_runs.c[name] for name in counts)))).mappings().one()
        await connection.execute(update(batch_runs).values(state="open", **counts))

    await runs(register).delete_all()
    assert await count(register, attendances) == 3

    async with register.adsum.database.transaction() as connection:
        await connection.execute(update(batch_runs).values(state="closed", **ended))
    await runs(register).delete_all()
    assert await count(register, attendances) == 0


async def test_a_shorter_period_needs_the_code_of_its_preview(register: Register) -> None:
    await with_history(register)
    path = f"/schools/{school_of(register)}/retention"
    body = {"records": 1, "notes": "forever"}

    refused = await register.api.change("PUT", path, "office", None, json=body)
    preview = await register.api.post(f"{path}/preview", body, "office")
    wrong = await register.api.change("PUT", path, "office", None, json=body | {"confirmation": "0" * 12})
    confirmed = body | {"confirmation": preview.json()["confirmation"]}
    done = await register.api.change("PUT", path, "office", None, json=confirmed)
    longer = await register.api.change("PUT", path, "office", None, json={"records": 5})

    assert [each.status_code for each in (refused, wrong)] == [HTTPStatus.CONFLICT] * 2
    assert refused.json()["code"] == "deletion_not_confirmed"
    assert refused.json()["params"]["confirmation"] == preview.json()["confirmation"]
    assert done.is_success, done.text
    periods = {each["kind"]: (each["years"], each["isDefault"]) for each in done.json()["periods"]}
    assert periods == {
        "records": (1, False),
        "notes": (None, False),
        "absences": (None, True),
        "students": (None, True),
    }
    assert longer.is_success
    assert (await register.api.get(path)).json()["periods"][0]["years"] == 5


async def test_the_default_concerns_schools_without_a_period_of_their_own(register: Register) -> None:
    await with_history(register)
    with pytest.raises(DeletionNotConfirmed) as needed:
        await retention(register).set(None, ONE_YEAR, OFFICE)
    assert needed.value.params["count"] == 9

    await retention(register).set(None, ONE_YEAR, OFFICE, needed.value.params["confirmation"])
    shown = await retention(register).show(school_of(register), OFFICE)
    assert shown.cutoffs[Kind.RECORDS] == date(2025, 8, 1)
    await retention(register).set(school_of(register), Periods(records=0), OFFICE)

    assert Kind.RECORDS not in (await retention(register).show(school_of(register), OFFICE)).cutoffs
    with pytest.raises(Invalid):
        await retention(register).set(None, Periods(records=-1), OFFICE)
    assert (await retention(register).show(None, OFFICE)).own == ONE_YEAR
    assert {each.kind for each in (await retention(register).preview(None, None, OFFICE)).items} == {
        "notes",
        "absences",
    }


async def test_the_default_needs_the_rights_of_all_schools(register: Register) -> None:
    answers = [
        await register.api.get("/retention", "office"),
        await register.api.change("PUT", "/retention", "office", None, json={"records": 1}),
        await register.api.post("/retention/preview", {"records": 1}, "office"),
        await register.api.get(f"/schools/{school_of(register)}/retention", "teacher"),
    ]
    assert {answer.status_code for answer in answers} == {HTTPStatus.FORBIDDEN}
    missing = await register.api.get(f"/schools/{school_of(register) + 1}/retention", "office")
    assert missing.status_code == HTTPStatus.NOT_FOUND


@pytest.mark.both_databases
async def test_a_hold_that_is_placed_during_a_run_is_respected(register: Register) -> None:
    await with_history(register)
    await keep(register)
    held = register.api.school.student_ids[0]

    hold, _ = await asyncio.gather(
        register.adsum.holds.place(held, HoldReason.LITIGATION, None, OFFICE), runs(register, page=1).delete_all()
    )

    kept = await count(register, attendances)
    # Either the record went before the hold, or it is kept with its history.
    assert kept == await count(register, attendance_changes) <= 1
    assert hold.lifted_at is None
