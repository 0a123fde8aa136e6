"""Times of one session and of all sessions of a school."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from adsum.accounts.access import Role
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.roster.tables import classes, session_times
from adsum.roster.timetable.rules import TimetablePlan, violations_of_lines
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.schools import caller, make_bare_school, make_class, make_session

MONDAY: dict[str, Any] = {"weekday": 1, "begins": "08:00", "ends": "08:45"}
TUESDAY: dict[str, Any] = {"weekday": 2, "begins": "10:00", "ends": "10:45"}
HEADER = "class,classId,session,sessionId,weekday,begins,ends\n"


async def replace_times(api: Api, *times: dict[str, Any], role: str = "office") -> httpx2.Response:
    path = f"/sessions/{api.school.session_id}/times"
    return await api.change("PUT", path, role, None, json={"times": list(times)})


async def times_of(api: Api, session_id: int) -> list[tuple[int, str]]:
    answer = await api.get(f"/sessions/{session_id}/times", "office")
    assert answer.status_code == HTTPStatus.OK, answer.text
    return [(time["weekday"], time["begins"]) for time in answer.json()["times"]]


async def send(api: Api, rows: str, role: str = "office", kind: str = "text/csv", **query: Any) -> httpx2.Response:
    return await api.client.post(
        f"/schools/{api.school.school_id}/timetable",
        content=(HEADER + rows).encode(),
        params=query,
        headers={"Authorization": f"Bearer {api.tokens[role]}", "Content-Type": kind},
    )


async def test_the_times_of_a_session_are_replaced_by_others(api: Api) -> None:
    assert (await replace_times(api, TUESDAY, MONDAY)).json() == {"times": [MONDAY, TUESDAY]}
    await replace_times(api, TUESDAY)
    assert (await api.get(f"/sessions/{api.school.session_id}/times", "teacher")).json() == {"times": [TUESDAY]}
    await replace_times(api)
    assert await times_of(api, api.school.session_id) == []


async def test_a_change_of_times_leaves_those_of_earlier_days(api: Api) -> None:
    path = f"/sessions/{api.school.session_id}/times"
    await replace_times(api, MONDAY)
    await api.change("PUT", f"{path}?validFrom=2024-12-02", "office", None, json={"times": [TUESDAY]})
    assert (await send(api, f",{api.school.class_id},,,3,09:00,09:45\n", validFrom="2025-01-01")).status_code == 200

    async def on(day: str) -> list[int]:
        return [time["weekday"] for time in (await api.get(path, date=day)).json()["times"]]

    assert [await on(day) for day in ("2024-12-01", "2024-12-02", "2024-12-31", "2025-01-01")] == [[1], [2], [2], [3]]
    assert await times_of(api, api.school.session_id) == [(3, "09:00")]
    assert violations(await api.get(path, date="2024-02-30")) == {("/query/date", "date_impossible")}


async def test_a_file_whose_session_ends_while_it_is_read_changes_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, loop = TimetablePlan.of, asyncio.get_running_loop()

    async def end_class() -> None:
        async with api.adsum.database.transaction() as connection:
            await connection.execute(update(classes).where(classes.c.id == api.school.class_id).values(active=False))

    def read_meanwhile(*arguments: Any) -> TimetablePlan:  # in a thread
        asyncio.run_coroutine_threadsafe(end_class(), loop).result()
        return read(*arguments)

    await replace_times(api, MONDAY)
    monkeypatch.setattr(TimetablePlan, "of", read_meanwhile)
    answer = await send(api, f",{api.school.class_id},,,3,09:00,09:45\n")
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "conflict")
    async with api.adsum.database.snapshot() as connection:
        assert await connection.scalar(select(session_times.c.weekday)) == 1


async def test_every_violation_of_the_times_of_a_session_is_reported(api: Api) -> None:
    answer = await replace_times(api, {"weekday": 8, "begins": "8:00", "ends": "25:00"})
    assert violations(answer) == {
        ("/times/0/weekday", "out_of_range"),
        ("/times/0/begins", "wrong_form"),
        ("/times/0/ends", "wrong_form"),
    }
    answer = await replace_times(api, MONDAY, MONDAY | {"ends": "07:00"})
    assert violations(answer) == {("/times/1/begins", "time_repeated"), ("/times/1/ends", "times_reversed")}


async def test_a_program_cannot_give_a_session_more_times_than_a_client(adsum: Adsum, api: Api) -> None:
    times = [SessionTime(1, f"{i // 60:02}:{i % 60:02}", "23:00") for i in range(MAX_TIMES + 1)]
    with pytest.raises(Invalid) as refused:
        await adsum.timetables.replace(api.school.session_id, times, caller(Role.ADMIN))
    assert [violation.code for violation in refused.value.violations] == ["too_long"]


def test_the_violations_of_the_lines_are_known_without_a_school() -> None:
    content = b"class,session,weekday,begins,ends\nk-7,1,Monday,08:00,09:30\nk-7,2,8,08:00,25:00\n"
    refused = violations_of_lines(content).before(
        Invalid("name a school", [Violation("missing_field", "", "/schoolId")])
    )
    assert refused.detail == "the file has 2 errors; name a school"
    assert [(each.pointer, each.code) for each in refused.violations] == [
        ("timetable.csv:3", "out_of_range"),
        ("timetable.csv:3", "wrong_form"),
        ("/schoolId", "missing_field"),
    ]


async def test_only_the_office_may_replace_the_times_of_a_session(adsum: Adsum, api: Api) -> None:
    assert (await replace_times(api, MONDAY, role="teacher")).status_code == HTTPStatus.FORBIDDEN
    assert (await send(api, "", "teacher")).status_code == HTTPStatus.FORBIDDEN
    async with adsum.database.transaction() as connection:
        colleagues = await make_session(connection, await make_class(connection, api.school.school_id))
        other = await make_bare_school(connection)
        elsewhere = await make_session(connection, await make_class(connection, other))
    assert (await api.get(f"/sessions/{colleagues}/times", "teacher")).status_code == HTTPStatus.NOT_FOUND
    assert (await api.get(f"/sessions/{elsewhere}/times")).status_code == HTTPStatus.NOT_FOUND
    refused = await api.change("PUT", f"/sessions/{elsewhere}/times", "office", None, json={"times": []})
    assert refused.status_code == HTTPStatus.NOT_FOUND
    foreign = await api.client.post(
        f"/schools/{other}/timetable",
        content=HEADER,
        headers={"Authorization": f"Bearer {api.tokens['office']}", "Content-Type": "text/csv"},
    )
    assert foreign.status_code == HTTPStatus.NOT_FOUND


async def test_a_timetable_names_classes_and_sessions_as_the_roster_file_does_or_by_our_ids(
    adsum: Adsum, api: Api
) -> None:
    async with adsum.database.transaction() as connection:
        class_id = await make_class(connection, api.school.school_id, source_id="ma-7b")
        second = await make_session(connection, class_id, period="2")
        default = await make_session(connection, class_id)
    own = api.school.session_id
    rows = f"ma-7b,,2,,1,08:00,08:45\nma-7b,,,,2,08:00,08:45\n,{api.school.class_id},,{own},3,08:00,08:45\n"
    answer = await send(api, rows + "ma-7b,,2,,1,10:00,10:45\n")
    assert answer.json() == {"dryRun": False, "sessions": 3, "times": 4, "changed": 3}
    assert (await send(api, rows + "ma-7b,,2,,1,10:00,10:45\n")).json()["changed"] == 0
    assert await times_of(api, second) == [(1, "08:00"), (1, "10:00")]
    assert await times_of(api, default) == [(2, "08:00")]
    assert await times_of(api, own) == [(3, "08:00")]


async def test_a_source_id_in_a_timetable_is_no_id_of_adsum(adsum: Adsum, api: Api) -> None:
    own = api.school.class_id
    async with adsum.database.transaction() as connection:
        other = await make_class(connection, api.school.school_id, source_id=f"0{own}")
        await make_session(connection, other)

    answer = await send(api, f"{own},,,,1,08:00,08:45\n0{own},{own},,,1,08:00,08:45\n")

    first, second = answer.json()["errors"]
    assert (first["code"], first["params"]["close"], second["code"]) == ("unknown_class", [f"0{own}"], "names_differ")
    assert "the file may have lost leading zeros" in first["detail"]
    assert await times_of(api, api.school.session_id) == []


async def test_importing_a_timetable_leaves_other_sessions_unchanged(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        second = await make_session(connection, api.school.class_id, period="2")
    await replace_times(api, MONDAY)
    await send(api, f",{api.school.class_id},2,,2,08:00,08:45\n")
    assert await times_of(api, api.school.session_id) == [(1, "08:00")]
    assert await times_of(api, second) == [(2, "08:00")]


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    await replace_times(api, MONDAY)
    answer = await send(api, f",{api.school.class_id},,,2,08:00,08:45\n", dryRun=True)
    assert answer.json() == {"dryRun": True, "sessions": 1, "times": 1, "changed": 1}
    assert await times_of(api, api.school.session_id) == [(1, "08:00")]


async def test_one_wrong_line_refuses_the_whole_timetable(api: Api) -> None:
    right = f",{api.school.class_id},,,2,08:00,08:45\n"
    rows = f"{right}{right}nowhere,,,,1,08:00,08:45\n,{api.school.class_id},9,,Mondy,8.00,08:45\nshort\n"
    answer = await send(api, rows)
    assert violations(answer) == {
        ("timetable.csv:3", "time_repeated"),
        ("timetable.csv:4", "unknown_class"),
        ("timetable.csv:5", "session_not_of_class"),
        ("timetable.csv:5", "out_of_range"),
        ("timetable.csv:5", "wrong_form"),
        ("timetable.csv:6", "wrong_columns"),
    }
    assert await times_of(api, api.school.session_id) == []


async def test_a_timetable_with_too_many_times_for_a_session_is_refused(api: Api) -> None:
    rows = "".join(f",{api.school.class_id},,,1,{i // 60:02}:{i % 60:02},23:00\n" for i in range(MAX_TIMES + 2))
    refused = await send(api, rows)
    assert violations(refused) == {(f"timetable.csv:{MAX_TIMES + line}", "too_long") for line in (2, 3)}
    assert refused.json()["params"] == {"total": 2}


async def test_an_empty_timetable_changes_nothing(api: Api) -> None:
    assert (await send(api, "")).json() == {"dryRun": False, "sessions": 0, "times": 0, "changed": 0}


async def test_a_timetable_that_is_not_csv_is_refused(api: Api) -> None:
    assert (await send(api, "", kind="application/json")).status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    unclosed = await send(api, '1,"')
    assert unclosed.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(unclosed) == {("timetable.csv:2", "wrong_quotes")}


async def test_a_class_has_its_sessions_with_their_times_in_its_own_school_only(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = await make_bare_school(connection)
    await replace_times(api, MONDAY)
    school, admin = api.school, caller(Role.ADMIN)

    found, sessions = await adsum.timetables.of_class(school.school_id, school.class_id, admin)

    assert found.id == school.class_id
    assert [(session.id, times) for session, times in sessions] == [(school.session_id, [SessionTime(**MONDAY)])]
    with pytest.raises(NotFound):
        await adsum.timetables.of_class(elsewhere, school.class_id, admin)
