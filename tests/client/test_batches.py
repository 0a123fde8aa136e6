"""The client on a running system: a batch from its request to its records, lists, and refusals."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from sqlalchemy import update

from adsum.accounts.access import Permission
from adsum.client import (
    Conflict,
    Forbidden,
    Invalid,
    NewBatch,
    NotFound,
    Problem,
    StudentMark,
    Unauthenticated,
)
from adsum.roster.tables import enrolments
from adsum.wiring import Adsum
from tests.client.clients import AnyClient
from tests.client.conftest import Connect
from tests.client.system import DAY, Caller, System

# Both clients.
pytestmark = pytest.mark.every_case


def violations(problem: Problem) -> set[tuple[str, str]]:
    return {(each.pointer, each.code) for each in problem.errors}


def end_enrolment(system: System, student_id: int, day: date | None) -> None:
    async def change(adsum: Adsum) -> None:
        async with adsum.database.transaction() as connection:
            of_student = update(enrolments).where(enrolments.c.student_id == student_id)
            await connection.execute(of_student.values(end_date=day))

    system.do(change)


def test_a_class_is_marked_and_read_again(client: AnyClient, caller: Caller) -> None:
    one, two, three, *_ = caller.school.student_ids
    marks = [StudentMark(three, "late", note="bus", arrived_at="08:10")]
    result = client.create_batch(caller.whole_class(unselected_student_ids=[one, two], marks=marks))
    status = client.wait_for_batch(result.batch_id)
    assert (result.total_jobs, result.added_jobs, result.is_skipped, result.conflicts) == (30, 30, False, ())
    assert (status.run_id, status.state, status.progress, status.recorded_jobs) == (result.run_id, "completed", 100, 30)
    assert status.completed_at is not None
    assert status.completed_at > status.started_at
    records = {record.student_id: record for record in client.records({"classId": caller.school.class_id})}
    assert Counter(record.status for record in records.values()) == Counter(present=27, absent=2, late=1)
    assert (records[three].note, records[three].arrived_at, records[three].learning_date) == (
        "bus",
        "08:10",
        date(2024, 12, 25),
    )


def test_the_same_request_again_does_nothing_and_lists_what_it_did_not_apply(client: AnyClient, caller: Caller) -> None:
    one, *_ = caller.school.student_ids
    client.wait_for_batch(client.create_batch(caller.whole_class()).batch_id)
    again = client.create_batch(caller.whole_class(unselected_student_ids=[one]))
    assert (again.added_jobs, again.skipped_jobs) == (0, 30)
    assert [(each.student_id, each.recorded, each.requested) for each in again.conflicts] == [
        (one, "present", "absent")
    ]
    assert client.wait_for_batch(again.batch_id).recorded_jobs == 30


def test_progress_begins_with_the_present_state_and_ends_with_the_last(client: AnyClient, caller: Caller) -> None:
    result = client.create_batch(caller.whole_class())
    states = list(client.follow_batch(result.batch_id))
    assert [state.has_ended for state in states] == [False] * (len(states) - 1) + [True]
    assert [state.remaining_jobs for state in states] == sorted((s.remaining_jobs for s in states), reverse=True)
    assert list(client.follow_batch(result.batch_id)) == states[-1:]


def test_failed_students_are_named_and_submitted_again(client: AnyClient, caller: Caller, system: System) -> None:
    one, *_ = caller.school.student_ids
    with system.worker_away():
        result = client.create_batch(caller.whole_class())
        end_enrolment(system, one, date(2024, 9, 3))
    status = client.wait_for_batch(result.batch_id)
    assert (status.state, status.failed_jobs) == ("completed_with_errors", 1)
    (failed,) = client.batch_jobs(result.batch_id, outcome="failed")
    assert (failed.student_id, failed.reason, failed.recorded) == (one, "not_enrolled", None)
    assert len(client.batch_jobs(result.batch_id)) == 30
    end_enrolment(system, one, None)
    retried = client.retry_batch(result.batch_id)
    assert retried.run_id != result.run_id
    assert client.wait_for_batch(result.batch_id).failed_jobs == 0
    with pytest.raises(Conflict) as refused:
        client.retry_batch(result.batch_id)
    assert (refused.value.status, refused.value.code) == (409, "nothing_failed")


def test_a_batch_that_waits_is_cancelled(client: AnyClient, caller: Caller, system: System) -> None:
    with system.worker_away():
        result = client.create_batch(caller.whole_class())
        assert client.cancel_batch(result.batch_id).cancelled_jobs == 30
    assert client.wait_for_batch(result.batch_id).state == "cancelled"


def test_a_correction_names_its_version_and_an_old_one_is_refused(client: AnyClient, caller: Caller) -> None:
    client.wait_for_batch(client.create_batch(caller.whole_class()).batch_id)
    record, *_ = client.records({"classId": caller.school.class_id})
    corrected = client.correct_record(record.id, record.version, {"status": "late", "note": "bus", "reason": "call"})
    assert (corrected.status, corrected.note, corrected.version) == ("late", "bus", record.version + 1)
    assert client.correct_record(record.id, corrected.version, {"note": None}).note is None
    with pytest.raises(Conflict) as refused:
        client.correct_record(record.id, record.version, {"status": "absent"})
    assert (refused.value.status, refused.value.code) == (412, "stale_version")
    assert refused.value.params["current"]["version"] == record.version + 2


def test_lists_are_read_page_by_page(client: AnyClient, caller: Caller) -> None:
    students = list(client.items("/students", {"classId": caller.school.class_id, "date": DAY, "limit": 7}))
    assert [student["id"] for student in students] == caller.school.student_ids


def test_any_endpoint_can_be_called(client: AnyClient, caller: Caller) -> None:
    roster = client.request("get", f"/classes/{caller.school.class_id}/roster", params={"date": DAY})
    assert len(roster["items"]) == 30
    one, *_ = caller.school.student_ids
    batch = caller.whole_class(roster_version=roster["rosterVersion"]).to_json()
    body = client.request("POST", "/attendances/create-batch", json=batch, headers={"Idempotency-Key": "monday"})
    assert (
        client.request("POST", "/attendances/create-batch", json=batch, headers={"Idempotency-Key": "monday"}) == body
    )
    with pytest.raises(Invalid) as reused:
        client.create_batch(caller.whole_class(unselected_student_ids=[one]), idempotency_key="monday")
    assert reused.value.code == "idempotency_key_reused"


def test_every_wrong_value_is_named(client: AnyClient, caller: Caller) -> None:
    with pytest.raises(Invalid) as refused:
        client.create_batch(caller.whole_class(selected_student_ids=[0, 2**63], reason="x" * 10_000))
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    assert violations(refused.value) == {
        ("/selectedStudentIds/0", "out_of_range"),
        ("/selectedStudentIds/1", "out_of_range"),
        ("/reason", "too_long"),
    }
    assert "/selectedStudentIds/0: " in str(refused.value)


def test_every_broken_rule_is_named(client: AnyClient, caller: Caller) -> None:
    one, two, *_ = caller.school.student_ids
    marks = [StudentMark(9_999_999, "present"), StudentMark(two, "tardy")]
    with pytest.raises(Invalid) as refused:
        client.create_batch(caller.whole_class(selected_student_ids=[one], unselected_student_ids=[one], marks=marks))
    assert {code for _, code in violations(refused.value)} >= {"student_in_both_lists", "unknown_status"}
    assert any(each.params for each in refused.value.errors)
    with pytest.raises(NotFound):
        client.batch_status(f"class-{caller.school.class_id}-session-{caller.school.session_id}-date-25122024")


def test_a_roster_that_has_changed_is_a_conflict_that_names_who_left(
    client: AnyClient, caller: Caller, system: System
) -> None:
    one, *_ = caller.school.student_ids
    roster = client.request("GET", f"/classes/{caller.school.class_id}/roster", params={"date": DAY})
    end_enrolment(system, one, date(2024, 9, 3))
    with pytest.raises(Conflict) as refused:
        client.create_batch(caller.whole_class(roster_version=roster["rosterVersion"]))
    assert (refused.value.status, refused.value.code) == (409, "roster_changed")
    assert refused.value.params == {"joined": [], "left": [one]}


def test_wrong_credentials_are_unauthenticated(connect: Connect, system: System, caller: Caller) -> None:
    for credentials in ({"api_key": "wrong"}, {"token": "wrong"}):
        with pytest.raises(Unauthenticated) as refused:
            connect(system.address, **credentials).create_batch(caller.whole_class())
        assert (refused.value.status, refused.value.code) == (401, "unauthenticated")


def test_a_missing_permission_is_forbidden_and_another_school_is_not_found(
    connect: Connect, system: System, caller: Caller
) -> None:
    reader = system.new_caller((Permission.ATTENDANCE_READ,))
    other = system.new_caller()
    with pytest.raises(Forbidden) as refused:
        connect(system.address, api_key=reader.key).create_batch(reader.whole_class())
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    with pytest.raises(NotFound) as hidden:
        connect(system.address, api_key=other.key).create_batch(caller.whole_class())
    assert (hidden.value.status, hidden.value.code) == (404, "not_found")
    with pytest.raises(NotFound):
        next(connect(system.address, api_key=other.key).follow_batch("class-1-session-1-date-25122024"))


def test_a_token_serves_as_well_as_a_key(connect: Connect, system: System, caller: Caller) -> None:
    token = system.new_token(caller)
    result = connect(system.address, token=token).create_batch(
        NewBatch(
            caller.school.class_id,
            caller.school.session_id,
            date(2024, 12, 23),
            selected_student_ids=caller.school.student_ids[:2],
        )
    )
    assert (result.total_jobs, result.batch_id.endswith("23122024")) == (2, True)
