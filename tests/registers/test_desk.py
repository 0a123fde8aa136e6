"""Late arrivals and early departures: the marks that they make, and taking them back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import select, update

from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.access import Caller, Role
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status, StatusFlag
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.errors import Invalid, NotFound, Unavailable, Violation
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.privacy.merging.rules import MergeChoices
from adsum.registers.desk import service
from adsum.registers.desk.rules import (
    DeskFilters,
    DeskKind,
    DeskSession,
    NewEntry,
    default_status,
    field_of,
    marks_of_arrival,
    marks_of_departure,
    validate_entry,
)
from adsum.registers.rules import LocalTime
from adsum.registers.tables import desk_entries
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.tables import schools
from tests.absences.conftest import Office
from tests.support.api import DAY, violations
from tests.support.installation import ended
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller, enrol, give_times, make_bare_school, make_class, make_session

USUAL = SchoolStatuses()
TODAY = date.fromisoformat(DAY)
NOW = LocalTime(TODAY, "12:00")
HOURS = [("08:00", "08:45"), ("09:00", "09:45"), ("10:00", "10:45"), ("11:00", "11:45")]


def day_of(*marks: str | None, **fields: Any) -> list[DeskSession]:
    """Four sessions with these marks."""
    rows = zip(HOURS, [*marks, None, None, None, None], strict=False)
    return [DeskSession(1, "7b", i, f"{i}", *times, mark, **fields) for i, (times, mark) in enumerate(rows, start=1)]


def arrival(sessions: list[DeskSession], time: str, missed: str = "absent") -> dict[int, Mark]:
    return {each.session_id: each.mark for each in marks_of_arrival(sessions, time, missed, USUAL).marks}


def departure(
    sessions: list[DeskSession], time: str, statuses: SchoolStatuses = USUAL
) -> tuple[dict[int, Mark], list[int]]:
    made = marks_of_departure(sessions, time, statuses)
    return {each.session_id: each.mark for each in made.marks}, list(made.absent_from)


def test_an_arrival_is_absent_before_late_in_the_running_session_and_nothing_after_it() -> None:
    assert arrival(day_of(), "10:10") == {1: Mark("absent"), 2: Mark("absent"), 3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of(), "09:50") == {1: Mark("absent"), 2: Mark("absent")}
    assert arrival(day_of(), "10:00", "excused") == {1: Mark("excused"), 2: Mark("excused")}, "it begins on time"


def test_marks_that_say_more_stay() -> None:
    assert arrival(day_of("present", "absent"), "10:10") == {3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of(None, "present"), "10:10") == {3: Mark("late", arrived_at="10:10")}, "from the first missed"
    assert arrival(day_of("excused", "absent"), "10:10", "excused") == {
        2: Mark("excused"),
        3: Mark("late", arrived_at="10:10"),
    }
    assert arrival(day_of("excused", None), "10:10") == {2: Mark("absent"), 3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of("absent", "absent", "present"), "10:10") == {}, "the class has seen the student"
    assert arrival(day_of("absent", "absent", "late"), "10:10") == {3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of("absent", "absent", "late", arrived_at="10:05"), "10:10") == {}


def test_a_departure_is_a_time_in_the_running_session_and_an_absence_from_the_later_ones() -> None:
    assert departure(day_of(), "09:20") == ({2: Mark("present", left_at="09:20")}, [3, 4])
    assert departure(day_of("late", "late", arrived_at="09:05"), "09:20") == (
        {2: Mark("late", None, "09:05", "09:20")},
        [3, 4],
    )
    assert departure(day_of("present", "absent"), "09:20") == ({}, [3, 4])
    assert departure(day_of(None, "present", left_at="09:20"), "09:20") == ({}, [3, 4])
    assert departure(day_of(), "10:00") == ({}, [3, 4])
    assert departure(day_of(), "12:00") == ({}, [])
    left = Status("left", "Left early", "X", CountsAs.ATTENDED, frozenset({StatusFlag.LEFT_EARLY}))
    assert departure(day_of("present", "present"), "09:20", SchoolStatuses([left]))[0] == {
        2: Mark("left", left_at="09:20")
    }


def test_a_session_without_times_is_concerned_only_if_no_session_has_any() -> None:
    untimed = DeskSession(1, "7b", 9, "Attendance", None, None)
    assert arrival([untimed], "10:10") == {9: Mark("late", arrived_at="10:10")}
    assert departure([untimed], "10:10") == ({9: Mark("present", left_at="10:10")}, [])
    assert 9 not in arrival([untimed, *day_of()], "10:10")


def test_every_wrong_field_of_an_entry_is_named() -> None:
    wrong = NewEntry(DeskKind.ARRIVAL, 1, "25:00", " ", "present")
    found = [(each.code, each.pointer) for each in validate_entry(wrong, "present", USUAL, TODAY, NOW)]
    assert found == [("wrong_form", "/time"), ("reason_missing", "/reason"), ("not_absent", "/status")]
    unknown = NewEntry(DeskKind.ARRIVAL, 1, "09:00", "bus")
    assert [each.code for each in validate_entry(unknown, "ill", USUAL, TODAY, NOW)] == ["unknown_status"]
    assert default_status(DeskKind.DEPARTURE, USUAL) == "excused"
    retired = Status("excused", "Excused", "E", CountsAs.ABSENT, retired_at=datetime.now(UTC))
    assert default_status(DeskKind.DEPARTURE, SchoolStatuses([retired])) == "absent"


@pytest.fixture
async def lessons(office: Office) -> list[int]:
    """Four sessions of the class on Wednesdays, at `HOURS`; the class of the register is the first."""
    school = office.school
    async with office.adsum.database.transaction() as connection:
        ids = [school.session_id]
        for i in range(3):
            class_id = await make_class(connection, school.school_id, title=f"Class {i}")
            await enrol(connection, class_id, school.student_ids)
            ids.append(await make_session(connection, class_id, title=f"Lesson {i}"))
        await give_times(connection, {each: [SessionTime(3, *times)] for each, times in zip(ids, HOURS, strict=True)})
    return ids


async def enter(office: Office, kind: str, time: str, **fields: Any) -> Any:
    body = {"kind": kind, "studentId": office.school.student_ids[0], "date": DAY, "time": time, "reason": "bus"}
    return await office.api.post("/desk-entries", body | fields, "office")


async def settled(office: Office, entry: dict[str, Any]) -> None:
    async with office.worker():
        for run in entry["runs"]:
            await ended(office.adsum, run["batchId"])


async def marks(office: Office) -> dict[int, tuple[Any, ...]]:
    items = (await office.api.get("/attendances", studentId=office.school.student_ids[0])).json()["items"]
    return {each["sessionId"]: (each["status"], each["arrivedAt"], each["leftAt"]) for each in items}


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
    assert (await enter(office, "arrival", "10:10")).json() == entered.json(), "the same entry is not made twice"

    undone = await office.api.post(f"/desk-entries/{entered.json()['id']}/undo", {}, "office")
    assert undone.json()["undoneAt"] is not None
    assert {session: mark[0] for session, mark in (await marks(office)).items()} == {
        first: "present",
        second: None,
        third: None,
    }
    assert fourth not in await marks(office)
    again = await office.api.post(f"/desk-entries/{entered.json()['id']}/undo", {}, "office")
    assert again.json() == undone.json()


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
    monkeypatch.setattr(service, "ATTEMPTS", 2)
    await office.api.create("teacher", isSelectedAll=False, unselectedStudentIds=[office.school.student_ids[1]])
    new = NewEntry(DeskKind.ARRIVAL, office.school.student_ids[0], "08:10", "bus")
    actor, day = caller(Role.OFFICE, office.school.school_id), date.fromisoformat(DAY)
    with pytest.raises(BatchIsOpen):
        await office.adsum.desk.enter(new, actor, day=day)
    monkeypatch.setattr(service, "ATTEMPTS", 200)
    async with office.worker():
        entry = await office.adsum.desk.enter(new, actor, day=day)
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
    async with office.adsum.database.transaction() as connection:
        other = caller(Role.OFFICE, await make_bare_school(connection))
    assert (await office.adsum.desk.page(other, DeskFilters(), PageRequest())).items == []
    with pytest.raises(NotFound):
        await office.adsum.desk.find(page["items"][0]["id"], other)
    assert (await office.api.get("/desk-entries", "teacher")).status_code == HTTPStatus.FORBIDDEN
    assert len(lessons) == len(HOURS)


async def test_the_desk_finds_a_student_enters_prints_and_undoes(office: Office, lessons: list[int]) -> None:
    pages, school, student = Pages(office.api), office.school, office.school.student_ids[0]
    path = f"/desk?school={school.school_id}&date={DAY}"
    search = path.replace("/desk?", "/desk/search?")
    found = await pages.send(path.replace("/desk?", "/desk/search/hits?"), {"words": "fam"})
    assert f"student={student}" in found.text
    assert "<html" not in found.text
    assert "No student of this day matches." in visible_text(await pages.send(search, {"words": "zzz"}))
    assert "student=" not in (await pages.send(search, {"words": "f"})).text
    assert "Students found" in (await pages.send(search, {"words": "fam"})).text
    shown = visible_text(await pages.open(f"{path}&student={student}"))
    assert "Lesson 0" in shown
    assert "not marked" in shown

    form: dict[str, Any] = {"school": school.school_id, "date": DAY, "student": student, "kind": "departure"}
    refused = await pages.send("/desk", form | {"time": "23:00", "reason": "tooth"})
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "No session of this student changes" in visible_text(refused)
    assert 'value="tooth"' in refused.text
    entered = await pages.send("/desk", form | {"time": "9:20", "reason": "tooth", "status": ""})
    assert entered.status_code == HTTPStatus.SEE_OTHER, entered.text
    entry_id = int(entered.headers["location"].rpartition("entry-")[2])
    assert "Left 9:20" in visible_text(await pages.open(f"{path}&done=entered"))
    assert "Leaves at 9:20" in visible_text(await pages.open(f"/desk/{entry_id}/slip"))
    back = {"school": school.school_id, "date": DAY}
    assert (await pages.send(f"/desk/{entry_id}/undo", back)).headers["location"].endswith("done=busy")
    await settled(office, (await office.api.get("/desk-entries")).json()["items"][0])
    assert (await pages.send(f"/desk/{entry_id}/undo", back)).headers["location"].endswith("done=undone")
    assert "Undone" in visible_text(await pages.open(path))
    assert "Empfang" in visible_text(await pages.open(f"{path}&student={student}", language="de"))
    assert (await pages.open(path, "teacher")).status_code == HTTPStatus.FORBIDDEN
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


def test_an_arrival_of_today_is_not_in_the_future() -> None:
    def codes(kind: DeskKind, time: str, day: date = TODAY) -> list[tuple[str, str]]:
        new = NewEntry(kind, 1, time, "bus")
        return [(each.code, each.pointer) for each in validate_entry(new, "absent", USUAL, day, NOW)]

    assert codes(DeskKind.ARRIVAL, "12:01") == [("time_in_future", "/time")]
    assert codes(DeskKind.ARRIVAL, "12:00") == []
    assert codes(DeskKind.ARRIVAL, "12:01", TODAY - timedelta(1)) == []
    assert codes(DeskKind.DEPARTURE, "12:01") == [], "the student has said so"


def test_marks_that_are_recorded_already_concern_the_entry() -> None:
    recorded = day_of("absent", "absent", "late", arrived_at="10:10")
    made = marks_of_arrival([*recorded[:2], replace(recorded[2], arrived_at="10:10")], "10:10", "absent", USUAL)
    assert (list(made.marks), made.concern_nothing) == ([], False)
    assert marks_of_arrival(day_of(), "07:00", "absent", USUAL).concern_nothing


def test_violations_of_batches_and_absences_are_those_of_the_entry() -> None:
    pointers = [
        "/marks/0/status",
        "/marks/0/leftAt",
        "/marks/0/studentId",
        "/learningDate",
        "/sessionIds/1",
        "/classId",
    ]
    assert [field_of(each) for each in pointers] == ["/status", "/time", "/studentId", "/date", "/date", ""]


async def test_an_entry_that_was_interrupted_is_completed_by_the_same_request_and_undone_whole(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = lessons
    create = AttendancesService.create_batch

    async def outage(self: AttendancesService, submission: Submission, actor: Caller) -> BatchResult:
        if submission.session_id == second:
            raise Unavailable("the database is unavailable")
        return await create(self, submission, actor)

    monkeypatch.setattr(AttendancesService, "create_batch", outage)
    body = {"kind": "arrival", "studentId": office.school.student_ids[0], "date": DAY, "time": "09:50", "reason": "bus"}
    headers = {"Idempotency-Key": "arrival-1"}
    failed = await office.api.post("/desk-entries", body, "office", headers=headers)
    assert failed.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    (pending,) = (await office.api.get("/desk-entries")).json()["items"]
    assert (pending["isComplete"], pending["runs"], pending["reason"]) == (False, [], "bus")
    pages = Pages(office.api)
    assert "Not complete" in visible_text(await pages.open(f"/desk?school={office.school.school_id}&date={DAY}"))

    monkeypatch.setattr(AttendancesService, "create_batch", create)
    again = await office.api.post("/desk-entries", body, "office", headers=headers)
    assert again.status_code == HTTPStatus.CREATED, again.text
    assert (again.json()["id"], again.json()["isComplete"]) == (pending["id"], True)
    assert len(again.json()["runs"]) == 2, "that of the first attempt, too"
    assert (await office.api.post("/desk-entries", body, "office", headers=headers)).json() == again.json()
    await settled(office, again.json())
    assert {session: mark[0] for session, mark in (await marks(office)).items()} == {first: "absent", second: "absent"}
    await office.api.post(f"/desk-entries/{pending['id']}/undo", {}, "office")
    assert {mark[0] for mark in (await marks(office)).values()} == {None}


async def test_a_mark_that_a_colleague_makes_during_an_interruption_is_not_of_the_entry(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object) -> BatchResult:
        raise Unavailable("the database is unavailable")

    with monkeypatch.context() as patches:
        patches.setattr(AttendancesService, "create_batch", outage)
        assert (await enter(office, "arrival", "08:50")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    made = await office.api.create(isSelectedAll=False, unselectedStudentIds=[office.school.student_ids[0]])
    async with office.worker():
        await ended(office.adsum, made.json()["batchId"])

    completed = (await enter(office, "arrival", "08:50")).json()

    assert (completed["isComplete"], completed["runs"]) == (True, [])
    await office.api.post(f"/desk-entries/{completed['id']}/undo", {}, "office")
    assert (await marks(office))[lessons[0]][0] == "absent"


async def test_an_incomplete_entry_is_undone_by_somebody_else_without_what_can_no_longer_be_recorded(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, third = Absences.add, lessons[2]

    async def refused(*args: Any, **kwargs: Any) -> AbsenceResult:
        raise Invalid("no", [Violation("unknown_session", "no", "/sessionIds/0")])

    async def interrupted(*args: Any, **kwargs: Any) -> AbsenceResult:
        await add(*args, **kwargs)
        raise Unavailable("the answer was lost")

    student = office.school.student_ids[0]
    monkeypatch.setattr(Absences, "add", refused)
    wrong = await enter(office, "departure", "09:20")
    assert violations(wrong) == {("/date", "unknown_session")}
    (entry,) = (await office.api.get("/desk-entries")).json()["items"]
    admin = caller(Role.ADMIN)
    with pytest.raises(BatchIsOpen):
        await office.adsum.desk.undo(entry["id"], admin)
    (completed,) = (await office.api.get("/desk-entries")).json()["items"]
    assert (completed["isComplete"], completed["absenceId"], len(completed["runs"])) == (True, None, 1)
    await settled(office, completed)
    assert (await office.adsum.desk.undo(entry["id"], admin)).undone_at is not None

    monkeypatch.setattr(Absences, "add", interrupted)
    assert (await enter(office, "departure", "10:00")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    monkeypatch.setattr(Absences, "add", add)
    retried = (await enter(office, "departure", "10:00")).json()
    (absence,) = (await office.api.get("/absences", studentId=student)).json()["items"]
    assert (retried["absenceId"], absence["sessionIds"]) == (absence["id"], [third, lessons[3]])


async def test_an_absence_that_was_planned_before_survives_the_undo(office: Office, lessons: list[int]) -> None:
    first = (await enter(office, "departure", "10:00")).json()
    twin = (await enter(office, "departure", "10:00")).json()
    assert twin == first, "the same entry again"
    # Another time in the break: the same later sessions, so the same absence.
    later = (await enter(office, "departure", "09:50")).json()
    assert (later["id"] == first["id"], later["absenceId"]) == (False, None)
    await office.api.post(f"/desk-entries/{later['id']}/undo", {}, "office")
    assert (await office.api.get(f"/absences/{first['absenceId']}")).json()["revokedAt"] is None
    assert len(lessons) == len(HOURS)


async def test_a_form_that_is_sent_twice_makes_one_entry(office: Office, lessons: list[int]) -> None:
    pages, school = Pages(office.api), office.school
    form: dict[str, Any] = {"school": school.school_id, "date": DAY, "student": school.student_ids[0]}
    form |= {"kind": "departure", "time": "10:00", "reason": "tooth", "key": "0b2c7ad0-0000-4000-8000-000000000001"}
    first = await pages.send("/desk", form)
    (entry,) = (await office.api.get("/desk-entries")).json()["items"]
    await office.api.post(f"/desk-entries/{entry['id']}/undo", {}, "office")
    assert (await pages.send("/desk", form)).headers["location"] == first.headers["location"]
    assert len((await office.api.get("/desk-entries")).json()["items"]) == 1
    assert len(lessons) == len(HOURS)


async def test_the_desk_says_that_a_register_is_being_saved(office: Office, lessons: list[int]) -> None:
    await office.api.create("teacher", isSelectedAll=True)
    form: dict[str, Any] = {"school": office.school.school_id, "date": DAY, "student": office.school.student_ids[0]}
    busy = await Pages(office.api).send("/desk", form | {"kind": "arrival", "time": "08:10", "reason": "bus"})
    assert busy.status_code == HTTPStatus.CONFLICT
    assert "A register is being saved. Try again in a moment." in visible_text(busy)
    assert (await office.api.get("/desk-entries")).json()["items"] == []
    assert len(lessons) == len(HOURS)
