"""Late arrivals and early departures: what they record, and taking them back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import select, update

from adsum.accounts.access import Role
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.service import AttendancesService
from adsum.platform.errors import NotFound
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.privacy.merging.rules import MergeChoices
from adsum.registers.desk import completion
from adsum.registers.desk.rules import (
    DeskFilters,
    NewEntry,
)
from adsum.registers.on_site.service import OnSite
from adsum.registers.rules import DeskKind
from adsum.registers.tables import desk_entries
from adsum.schools.tables import schools
from tests.absences.conftest import Office
from tests.registers.desk.entering import HOURS, enter, marks, settled
from tests.support.api import DAY, violations
from tests.support.schools import caller, make_bare_school


async def test_an_arrival_marks_the_registers_and_is_undone(office: Office, lessons: list[int]) -> None:
    first, second, third, fourth = lessons
    await office.take()  # the class has marked the first lesson: present
    entered = await enter(office, "arrival", "10:10")
    assert entered.status_code == HTTPStatus.CREATED, entered.text
    busy = await office.api.post(f"/desk-entries/{entered.json()['id']}/undo", {}, "office")
    assert (busy.status_code, busy.json()["code"]) == (HTTPStatus.CONFLICT, BatchIsOpen.code)
    other = await enter(office, "arrival", "10:12")
    assert (other.status_code, other.json()["code"]) == (HTTPStatus.CONFLICT, BatchIsOpen.code)
    await settled(office, entered.json())
    assert await marks(office) == {
        first: ("present", None, None),
        second: ("absent", None, None),
        third: ("late", "10:10", None),
    }
    again = await enter(office, "arrival", "10:10")
    assert (again.status_code, again.json()) == (HTTPStatus.OK, entered.json()), "the same entry is not made twice"

    undone = await office.api.post(f"/desk-entries/{entered.json()['id']}/undo", {}, "office")
    assert undone.json()["undoneAt"] is not None
    assert {session: mark[0] for session, mark in (await marks(office)).items()} == {
        first: "present",
        second: None,
        third: None,
    }
    assert fourth not in await marks(office)
    repeated = await office.api.post(f"/desk-entries/{entered.json()['id']}/undo", {}, "office")
    assert repeated.json() == undone.json()


async def test_a_departure_plans_the_absence_from_later_sessions_and_undo_keeps_later_marks(
    office: Office, lessons: list[int]
) -> None:
    first, second, third, fourth = lessons
    entered = (await enter(office, "departure", "09:20", reason="fever")).json()
    await settled(office, entered)
    assert await marks(office) == {second: ("present", None, "09:20")}
    absence = (await office.api.get(f"/absences/{entered['absenceId']}")).json()
    assert (absence["sessionIds"], absence["status"], absence["reason"]) == ([third, fourth], "excused", "fever")
    of = await office.adsum.desk.student_day(
        office.school.student_ids[0], caller(Role.OFFICE, office.school.school_id), day=date.fromisoformat(DAY)
    )
    assert [each.planned_status for each in of.sessions] == [None, None, "excused", "excused"]
    assert [each.session_id for each in of.sessions] == [first, second, third, fourth]

    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    assert (await marks(office))[second][0] is None
    assert (await office.api.get(f"/absences/{entered['absenceId']}")).json()["revokedAt"] is not None


async def test_a_departure_takes_a_student_whom_the_office_marked_present_off_the_on_site_list_and_undo_puts_them_back(
    office: Office, lessons: list[int]
) -> None:
    student, school_id = office.school.student_ids[0], office.school.school_id
    actor, day = caller(Role.OFFICE, school_id), date.fromisoformat(DAY)
    on_site = OnSite(office.adsum.database, lambda: datetime(2024, 12, 25, 12, tzinfo=UTC))

    async def listed() -> list[int]:
        return [each.student_id for each in (await on_site.page(school_id, actor, PageRequest())).items]

    for each in (await office.adsum.desk.student_day(student, actor, day=day)).sessions:
        await office.take("office", classId=each.class_id, sessionId=each.session_id)
    assert student in await listed()
    entered = (await enter(office, "departure", "08:30", reason="fever")).json()
    await settled(office, entered)
    first, *later = lessons
    assert await marks(office) == {
        first: ("present", None, "08:30"),
        **dict.fromkeys(later, ("excused", None, None)),
    }
    assert student not in await listed()

    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    assert await marks(office) == dict.fromkeys(lessons, ("present", None, None))
    assert student in await listed()


async def test_the_undo_of_two_departures_gives_the_mark_of_the_teacher_back(
    office: Office, lessons: list[int]
) -> None:
    await office.take()
    first = (await enter(office, "departure", "07:50", status="absent")).json()
    assert (await marks(office))[lessons[0]][0] == "absent"
    second = (await enter(office, "departure", "07:55")).json()
    await settled(office, second)
    for entry in (second, first):
        assert (await office.api.post(f"/desk-entries/{entry['id']}/undo", {}, "office")).is_success
    assert await marks(office) == {lessons[0]: ("present", None, None)}


@pytest.mark.every_case
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
async def test_the_undo_of_departures_gives_the_mark_of_the_office_back_in_any_order(
    office: Office, lessons: list[int], order: tuple[int, ...]
) -> None:
    await office.take("office")
    entries: list[dict[str, Any]] = []
    for time, status, expected in (
        ("07:50", "absent", "absent"),
        ("07:55", "excused", "excused"),
        ("08:20", "excused", "excused"),
    ):
        entries.append((await enter(office, "departure", time, status=status)).json())
        await settled(office, entries[-1])
        assert (await marks(office))[lessons[0]][0] == expected
    for number in order:
        assert (await office.api.post(f"/desk-entries/{entries[number]['id']}/undo", {}, "office")).is_success
    assert await marks(office) == {lessons[0]: ("present", None, None)}


async def test_a_departure_keeps_the_mark_of_another_absence_and_its_link(office: Office, lessons: list[int]) -> None:
    student = office.school.student_ids[0]
    await office.take()
    trip = await office.planned(student, status="late")
    await settled(office, (await enter(office, "departure", "07:50")).json())
    record = await office.record(student)
    assert (record["status"], record["absenceId"], record["sessionId"]) == ("late", trip, lessons[0])


async def test_a_departure_that_is_entered_afterwards_keeps_the_return(office: Office, lessons: list[int]) -> None:
    first, second, third, fourth = lessons
    student, school_id = office.school.student_ids[0], office.school.school_id
    await office.take()
    await settled(office, (await enter(office, "arrival", "10:15")).json())
    departed = (await enter(office, "departure", "08:30")).json()
    await settled(office, departed)
    assert await marks(office) == {
        first: ("present", None, "08:30"),
        second: ("excused", None, None),
        third: ("late", "10:15", None),
    }
    actor, day = caller(Role.OFFICE, school_id), date.fromisoformat(DAY)
    of = await office.adsum.desk.student_day(student, actor, day=day)
    planned = {each.session_id: each.absence_id for each in of.sessions}
    assert planned == {first: None, second: departed["absenceId"], third: None, fourth: None}


async def test_an_undo_sets_back_its_own_run_and_not_a_newer_one(office: Office, lessons: list[int]) -> None:
    first = lessons[0]
    entered = (await enter(office, "arrival", "08:10")).json()
    await settled(office, entered)
    await office.take(isSelectedAll=True)  # the teacher takes the register; the office's mark stays
    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    items = (await office.api.get("/attendances", sessionId=first)).json()["items"]
    assert sorted(str(each["status"]) for each in items) == ["None", "present", "present"]


async def test_a_run_that_begins_after_the_check_is_waited_for(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_open(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(AttendancesService, "preview_batches", nothing_open)
    monkeypatch.setattr(completion, "ATTEMPTS", 2)
    await office.api.create("teacher", isSelectedAll=False, unselectedStudentIds=[office.school.student_ids[1]])
    new = NewEntry(DeskKind.ARRIVAL, office.school.student_ids[0], "08:10", "bus")
    actor, day = caller(Role.OFFICE, office.school.school_id), date.fromisoformat(DAY)
    with pytest.raises(BatchIsOpen):
        await office.adsum.desk.enter(new, actor, day=day)
    monkeypatch.setattr(completion, "ATTEMPTS", 200)
    async with office.worker():
        entry = (await office.adsum.desk.enter(new, actor, day=day)).entry
    assert [run.batch_id for run in entry.runs] == [Batch(office.school.class_id, lessons[0], day).id]


async def test_after_the_edit_window_the_history_says_where_the_mark_was_entered(
    office: Office, lessons: list[int]
) -> None:
    async with office.adsum.database.transaction() as connection:
        await connection.execute(update(schools).values(edit_window_days=7))
    entered = await enter(office, "arrival", "08:10")
    assert entered.status_code == HTTPStatus.CREATED, entered.text
    await settled(office, entered.json())
    assert await marks(office) == {lessons[0]: ("late", "08:10", None)}


async def test_wrong_entries_are_refused_before_anything_is_written(office: Office, lessons: list[int]) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(2)).date().isoformat()
    wrong: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"studentId": 999_999}, {("/studentId", "unknown_student")}),
        ({"schoolId": 999_999}, {("/studentId", "unknown_student")}),
        ({"date": tomorrow}, {("/date", "date_in_future")}),
        ({"status": "present"}, {("/status", "not_absent")}),
        ({"status": ""}, {("/status", "unknown_status")}),
        ({"time": "7"}, {("/time", "wrong_form")}),
        ({"time": "07:00"}, {("/time", "nothing_to_record")}),
    ]
    for fields, expected in wrong:
        assert violations(await enter(office, "arrival", **({"time": "10:10"} | fields))) == expected, fields
    async with office.adsum.database.transaction() as connection:
        await connection.execute(update(schools).values(records_from=date(2025, 1, 1)))
    deleted = await enter(office, "arrival", "10:10")
    assert {code for _, code in violations(deleted)} == {"day_deleted"}
    closed = {"from": DAY, "to": DAY, "reason": "snow"}
    path = f"/schools/{office.school.school_id}/closed-days"
    assert (await office.api.post(path, closed, "office")).is_success
    assert (await enter(office, "arrival", "10:10")).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (await office.api.get("/desk-entries")).json()["items"] == []
    assert await marks(office) == {}
    assert len(lessons) == len(HOURS)


async def test_an_entry_that_changes_nothing_names_the_session_whose_mark_stays(
    office: Office, lessons: list[int]
) -> None:
    await office.take()
    refused = await enter(office, "arrival", "08:10")
    student = office.school.student_ids[0]
    assert violations(refused) == {("/time", "nothing_to_record")}
    (error,) = refused.json()["errors"]
    assert error["detail"] == (
        f"student {student} is already marked present in Attendance: an entry at 08:10 changes no session"
    )
    assert (error["params"]["sessionId"], error["params"]["status"]) == (lessons[0], "present")


@pytest.mark.every_case
@pytest.mark.parametrize("kind", DeskKind)
async def test_a_second_entry_at_the_same_time_that_changes_nothing_is_refused_until_the_first_is_undone(
    office: Office, lessons: list[int], kind: DeskKind
) -> None:
    entered = (await enter(office, kind, "11:10")).json()
    await settled(office, entered)
    again = await enter(office, kind, "11:10", reason="train")
    assert violations(again) == {("/time", "nothing_to_record")}
    assert again.json()["errors"][0]["params"]["sessionId"] == lessons[3]
    assert (await enter(office, kind, "11:10")).status_code == HTTPStatus.OK
    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    assert (await enter(office, kind, "11:10", reason="train")).status_code == HTTPStatus.CREATED


async def test_an_arrival_is_entered_whose_mark_a_teacher_has_made(office: Office, lessons: list[int]) -> None:
    student = office.school.student_ids[0]
    late = {"studentId": student, "status": "late", "arrivedAt": "08:10"}
    await office.take(isSelectedAll=False, marks=[late])
    entered = await enter(office, "arrival", "08:10")
    assert (entered.status_code, entered.json()["runs"]) == (HTTPStatus.CREATED, [])
    assert await marks(office) == {lessons[0]: ("late", "08:10", None)}


async def test_entries_are_the_offices_of_its_school_filtered_and_paged(office: Office, lessons: list[int]) -> None:
    for time in ("08:10", "09:10"):
        await settled(office, (await enter(office, "arrival", time)).json())
    student = office.school.student_ids[0]
    page = (await office.api.get("/desk-entries", limit=1)).json()
    rest = (await office.api.get("/desk-entries", limit=1, cursor=page["nextCursor"])).json()
    assert [each["time"] for each in page["items"] + rest["items"]] == ["09:10", "08:10"]
    filters: list[tuple[dict[str, Any], int]] = [
        ({"studentId": student}, 2),
        ({"studentId": student + 1}, 0),
        ({"schoolId": office.school.school_id}, 2),
        ({"from": "2024-12-26"}, 0),
        ({"to": "2024-12-24"}, 0),
        ({"from": DAY, "to": DAY}, 2),
    ]
    for query, number in filters:
        assert len((await office.api.get("/desk-entries", **query)).json()["items"]) == number, query
    wrong = await office.api.get("/desk-entries", **{"from": DAY, "to": "2024-12-24"})
    assert (wrong.status_code, violations(wrong)) == (HTTPStatus.UNPROCESSABLE_ENTITY, {("/query/to", "days_reversed")})
    async with office.adsum.database.transaction() as connection:
        other = caller(Role.OFFICE, await make_bare_school(connection))
    assert (await office.adsum.desk.page(other, DeskFilters(), PageRequest())).items == []
    with pytest.raises(NotFound):
        await office.adsum.desk.find(page["items"][0]["id"], other)
    assert (await office.api.get("/desk-entries", "teacher")).status_code == HTTPStatus.FORBIDDEN
    assert len(lessons) == len(HOURS)


async def test_entries_are_exported_moved_by_a_merge_and_erased_with_the_student(
    office: Office, lessons: list[int]
) -> None:
    removed, kept, _ = office.school.student_ids
    admin = caller(Role.ADMIN)
    entered = (await enter(office, "departure", "09:20", reason="fever")).json()
    await settled(office, entered)
    (exported,) = (await office.adsum.student_data.export(removed, admin)).desk_entries
    assert (exported["reason"], exported["time"], exported["absence_id"]) == ("fever", "09:20", entered["absenceId"])
    await office.adsum.student_merges.merge(kept, removed, MergeChoices(allow_different_names=True), admin)
    (moved,) = (await office.api.get("/desk-entries")).json()["items"]
    assert moved["studentId"] == kept
    await office.adsum.student_data.erase(kept, admin)
    async with office.adsum.database.snapshot() as connection:
        assert await connection.scalar(select(desk_entries.c.id)) is None
    assert len(lessons) == len(HOURS)


async def test_an_absence_that_two_entries_share_ends_with_the_second_undo(office: Office, lessons: list[int]) -> None:
    first = (await enter(office, "departure", "10:00")).json()
    twin = (await enter(office, "departure", "10:00")).json()
    assert twin == first, "the same entry again"
    # Another time in the break: the same later sessions, so the same absence.
    later = (await enter(office, "departure", "09:50")).json()
    assert (later["id"] == first["id"], later["absenceId"]) == (False, first["absenceId"])
    for entry, is_revoked in ((first, False), (later, True)):
        await office.api.post(f"/desk-entries/{entry['id']}/undo", {}, "office")
        absence = (await office.api.get(f"/absences/{first['absenceId']}")).json()
        assert (absence["revokedAt"] is not None) == is_revoked
    assert len(lessons) == len(HOURS)


async def test_an_absence_that_was_planned_before_survives_the_undo(office: Office, lessons: list[int]) -> None:
    planned = await office.planned(office.school.student_ids[0], sessionIds=lessons[2:], reason="bus")
    entered = (await enter(office, "departure", "09:50")).json()
    assert entered["absenceId"] is None
    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    assert (await office.api.get(f"/absences/{planned}")).json()["revokedAt"] is None
