"""Creating batches on closed days and outside of terms."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import insert, update

from adsum.accounts.access import Permission, system_caller
from adsum.batches.submission import Selection, Submission
from adsum.roster.tables import session_gaps, sessions
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.statements import statements_sent

FORCED: dict[str, Any] = {"force": True, "reason": "An excursion on Christmas Day"}
TERM = {"title": "Autumn", "beginDate": "2024-09-02", "endDate": "2024-12-25"}


@pytest.fixture
async def closed(api: Api, calendar: str) -> Api:
    """The school is closed on Christmas Day."""
    await api.change("PUT", f"{calendar}/closed-days/2024-12-25", "office", None, json={"reason": "Christmas"})
    return api


async def say_when(api: Api, *times: tuple[int, str], valid_from: str | None = None) -> None:
    body = {"times": [{"weekday": weekday, "begins": begins, "ends": "23:00"} for weekday, begins in times]}
    query = {"validFrom": valid_from} if valid_from else {}
    path = f"/sessions/{api.school.session_id}/times"
    answer = await api.change("PUT", path, "office", None, json=body, params=query)
    assert answer.status_code == HTTPStatus.OK, answer.text


@pytest.mark.parametrize("role", ["teacher", "office"])
async def test_marking_a_class_on_a_closed_day_is_refused(closed: Api, role: str) -> None:
    answer = await closed.create(role)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    (error,) = answer.json()["errors"]
    assert (error["code"], error["pointer"]) == ("school_closed", "/learningDate")
    assert error["params"] == {"date": "2024-12-25", "cause": "closed_day", "reason": "Christmas"}


@pytest.mark.parametrize("day", ["2024-12-25T00:00:00.000Z", "2024-12-25T23:30:00+00:00", "2024-12-26T08:00:00+14:00"])
async def test_a_closed_day_applies_to_every_form_of_its_date(closed: Api, day: str) -> None:
    assert violations(await closed.create(learningDate=day)) == {("/learningDate", "school_closed")}


async def test_a_mark_on_no_school_day_is_accepted_with_a_warning(api: Api) -> None:
    answer = await api.create("teacher", learningDate="2024-12-21")
    assert answer.status_code == HTTPStatus.ACCEPTED
    wanted = {"code": "no_school_day", "detail": "2024-12-21 is a Saturday, which is no school day"}
    assert answer.json()["warnings"] == [wanted]


async def test_other_violations_are_reported_together_with_a_closed_day(closed: Api) -> None:
    answer = await closed.create(isSelectedAll=False, marks=[{"studentId": 1, "status": "asleep"}], sessionId=999)
    assert violations(answer) >= {
        ("/learningDate", "school_closed"),
        ("/marks/0/status", "unknown_status"),
        ("/sessionId", "session_not_of_class"),
    }


async def test_the_days_beside_a_closed_one_are_open(closed: Api) -> None:
    for day in ("2024-12-24", "2024-12-26"):
        assert (await closed.create("teacher", learningDate=day)).status_code == HTTPStatus.ACCEPTED


async def test_the_office_can_force_a_closed_day_with_a_reason(closed: Api) -> None:
    answer = await closed.create("office", **FORCED)
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    (run,) = (await closed.get(f"/attendances/batches/{answer.json()['batchId']}")).json()["runs"]
    assert run["forcedReason"] == FORCED["reason"]


async def test_a_key_can_force_a_closed_day(adsum: Adsum, closed: Api) -> None:
    key = await adsum.api_keys.create("sync", [Permission.ATTENDANCE_CREATE], [closed.school.school_id])
    body = {
        "classId": closed.school.class_id,
        "sessionId": closed.school.session_id,
        "learningDate": "2024-12-25",
        "isSelectedAll": True,
    }
    answer = await closed.client.post(
        "/attendances/create-batch", json=body | FORCED, headers={"X-API-Key": key.secret}
    )
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text


async def test_a_teacher_cannot_force_a_closed_day(closed: Api) -> None:
    answer = await closed.create("teacher", **FORCED)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert violations(answer) == {("/force", "force_not_allowed")}


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"force": True}, ("/reason", "missing_field")),
        ({"force": True, "reason": " "}, ("/reason", "missing_field")),
        ({"reason": "so"}, ("/reason", "reason_without_force")),
        ({"force": True, "reason": "x" * 501}, ("/reason", "too_long")),
    ],
)
async def test_force_and_reason_go_together(closed: Api, fields: dict[str, Any], violation: tuple[str, str]) -> None:
    assert violation in violations(await closed.create("office", **fields))


async def test_force_on_an_open_day_is_not_stored(api: Api) -> None:
    answer = await api.create("office", **FORCED)
    (run,) = (await api.get(f"/attendances/batches/{answer.json()['batchId']}")).json()["runs"]
    assert run["forcedReason"] is None


async def test_a_day_outside_of_all_terms_is_refused(api: Api, calendar: str) -> None:
    await api.post(f"{calendar}/terms", TERM, "office")
    (error,) = (await api.create("teacher")).json()["errors"]
    assert (error["code"], error["params"]["cause"]) == ("school_closed", "outside_terms")
    assert (await api.create("teacher", learningDate="2024-12-24")).status_code == HTTPStatus.ACCEPTED


async def test_an_early_closing_refuses_sessions_that_begin_later(api: Api, calendar: str) -> None:
    heat = {"reason": "Heat", "fromTime": "12:00"}
    await api.change("PUT", f"{calendar}/closed-days/2024-12-25", "office", None, json=heat)
    await say_when(api, (3, "12:00"))
    assert violations(await api.create("teacher")) == {("/learningDate", "school_closed")}
    await say_when(api, (3, "11:59"), valid_from="2024-12-26")
    assert violations(await api.create("teacher")) == {("/learningDate", "school_closed")}
    await say_when(api, (3, "11:59"), valid_from="2024-12-25")
    assert (await api.create("teacher")).status_code == HTTPStatus.ACCEPTED


async def test_a_day_off_the_timetable_is_recorded_and_warned_of(api: Api) -> None:
    await say_when(api, (4, "08:00"))
    answer = await api.create("teacher")
    assert answer.status_code == HTTPStatus.ACCEPTED
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["off_timetable"]
    again = await api.create("teacher")
    assert again.json()["isSkipped"] is True
    assert again.json()["warnings"] == answer.json()["warnings"]
    on_time = await api.create("teacher", learningDate="2024-12-26")
    assert on_time.json()["warnings"] == []


@pytest.mark.parametrize(
    ("validity", "gap", "is_valid"),
    [
        ((None, None), None, True),
        ((date(2024, 12, 25), date(2024, 12, 26)), None, True),
        ((date(2024, 12, 26), None), None, False),
        ((None, date(2024, 12, 25)), None, False),
        ((None, None), (date(2024, 12, 25), date(2024, 12, 26)), False),
        ((None, None), (date(2024, 12, 24), date(2024, 12, 25)), True),
    ],
)
async def test_a_day_on_which_the_class_does_not_have_the_session_is_recorded_and_warned_of(
    adsum: Adsum,
    api: Api,
    validity: tuple[date | None, date | None],
    gap: tuple[date, date] | None,
    is_valid: bool,
) -> None:
    async with adsum.database.transaction() as connection:
        begin, end = validity
        await connection.execute(update(sessions).values(begin_date=begin, end_date=end))
        if gap is not None:
            row = {"session_id": api.school.session_id, "begin_date": gap[0], "end_date": gap[1]}
            await connection.execute(insert(session_gaps).values(row))
    answer = await api.create("teacher")
    assert answer.status_code == HTTPStatus.ACCEPTED
    assert [warning["code"] for warning in answer.json()["warnings"]] == ([] if is_valid else ["session_not_valid"])


async def test_a_repeated_response_has_the_warnings_of_the_first(api: Api, calendar: str) -> None:
    await say_when(api, (4, "08:00"))
    first = await api.create("teacher", key="k1")
    await api.change("PUT", f"{calendar}/closed-days/2024-12-25", "office", None, json={"reason": "Christmas"})
    assert (await api.create("teacher", key="k1")).json() == first.json()


async def test_the_calendar_costs_no_statement_of_its_own(adsum: Adsum, closed: Api) -> None:
    """Accepting is the hot path, so the calendar is read together with the class and its time zone."""
    await say_when(closed, (4, "08:00"))
    school = closed.school
    submission = Submission(school.class_id, school.session_id, "2024-12-26", Selection(is_selected_all=True))
    with statements_sent(adsum.database) as sent:
        await adsum.attendances.create_batch(submission, system_caller())

    reading = [each for each, _ in sent if any(table in each for table in ("closed_days", "session_times", "terms"))]
    assert len(reading) == 1
    assert "time_zone" in reading[0]
