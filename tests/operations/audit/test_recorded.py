"""Settings, imports, exports, and reading a student's whole record are recorded, by whoever does so."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import as_file, files
from typing import Any

import httpx2
import pytest

from adsum.accounts.access import system_caller
from adsum.roster.importing.rules import ImportOptions
from adsum.roster.oneroster.files import roster_files
from adsum.wiring import Adsum
from tests.accounts.audit.conftest import entries_of
from tests.support.api import DAY, Api

Brief = tuple[str, str | None, Any, Any]


async def recorded(adsum: Adsum, *actions: str) -> list[Brief]:
    """Action, role of the caller, and what was before and after of each entry."""
    return [
        (each["action"], each["caller_role"], *(each[name] and json.loads(each[name]) for name in ("before", "after")))
        for each in await entries_of(adsum.database, *actions)
    ]


async def change(api: Api, method: str, path: str, **body: Any) -> httpx2.Response:
    answer = await api.change(method, path, "office", None, json=body or None)
    assert answer.is_success, answer.text
    return answer


async def test_changes_of_settings_are_recorded_with_what_was_before(adsum: Adsum, api: Api) -> None:
    school = f"/schools/{api.school.school_id}"
    await change(api, "PATCH", school, editWindowDays=7, timeZone="Europe/Berlin")
    await change(api, "PATCH", school, editWindowDays=7)  # changes nothing

    ((_, role, before, after),) = await recorded(adsum, "school_changed")
    assert (role, after) == ("office", {"editWindowDays": 7, "timeZone": "Europe/Berlin"})
    assert before["editWindowDays"] is None
    assert before.keys() == after.keys()


async def test_changes_of_the_calendar_are_recorded_without_their_reasons(adsum: Adsum, api: Api) -> None:
    school = f"/schools/{api.school.school_id}"
    await change(api, "POST", f"{school}/closed-days", **{"reason": "a secret", "from": DAY, "to": "2024-12-26"})
    await change(
        api,
        "POST",
        f"{school}/closed-days",
        **{"reason": "a secret", "from": "2024-12-26", "to": "2024-12-26", "fromTime": "12:00"},
    )
    await change(api, "DELETE", f"{school}/closed-days/{DAY}")
    await change(api, "DELETE", f"{school}/closed-days?from=2024-12-01&to=2024-12-31")
    term = {"title": "a secret", "beginDate": "2024-08-01", "endDate": "2025-08-01"}
    term_id = (await change(api, "POST", f"{school}/terms", **term)).json()["id"]
    await change(api, "DELETE", f"{school}/terms/{term_id}")

    entries = await recorded(adsum, "calendar_changed")
    assert [(before, after) for _, _, before, after in entries] == [
        (None, {"closedFrom": DAY, "closedTo": "2024-12-26"}),
        ({"closedDays": ["2024-12-26"]}, {"closedFrom": "2024-12-26", "closedTo": "2024-12-26", "fromTime": "12:00"}),
        ({"closedFrom": DAY, "closedTo": DAY, "closedDays": [DAY]}, None),
        ({"closedFrom": "2024-12-26", "closedTo": "2024-12-26", "closedDays": ["2024-12-26T12:00"]}, None),
        (None, {"termId": term_id, "beginDate": "2024-08-01", "endDate": "2025-08-01"}),
        ({"termId": term_id, "beginDate": "2024-08-01", "endDate": "2025-08-01"}, None),
    ]
    assert "secret" not in str(entries)


async def test_changes_of_statuses_and_timetables_are_recorded(adsum: Adsum, api: Api) -> None:
    statuses = f"/schools/{api.school.school_id}/statuses"
    trip = {"code": "trip", "label": "a secret", "letter": "T", "countsAs": "attended"}
    await change(api, "POST", statuses, **trip)
    await change(api, "PATCH", f"{statuses}/trip", retired=True)
    await change(api, "PATCH", f"{statuses}/trip", retired=True)  # changes nothing
    times = [{"weekday": 1, "begins": "08:00", "ends": "08:45"}]
    await change(api, "PUT", f"/sessions/{api.school.session_id}/times", times=times)

    entries = await recorded(adsum, "statuses_changed", "timetable_changed")
    old = {"status": "trip", "letter": "T", "position": 100, "retired": False}
    assert [(before, after) for _, _, before, after in entries] == [
        (None, {"status": "trip"}),
        (old, old | {"retired": True}),
        (None, {"sessionId": api.school.session_id, "times": 1}),
    ]
    assert "secret" not in str(entries)


async def test_an_import_of_a_timetable_is_recorded_with_its_digest(adsum: Adsum, api: Api) -> None:
    school = api.school
    content = f"classId,sessionId,weekday,begins,ends\n{school.class_id},{school.session_id},1,08:00,08:45\n".encode()
    for dry_run in (True, False):
        await adsum.timetables.import_file(school.school_id, content, system_caller(), dry_run=dry_run)

    digest = hashlib.sha256(content).hexdigest()
    assert [after for *_, after in await recorded(adsum, "timetable_changed")] == [
        {"sessions": 1, "times": 1, "sha256": digest}
    ]


async def test_an_import_of_a_roster_is_recorded_with_counts_and_digests_and_a_dry_run_is_not(adsum: Adsum) -> None:
    folder = files("adsum.roster.demo") / "data" / "oneroster"
    with as_file(folder) as path, roster_files(path) as found:
        for dry_run in (True, False):
            await adsum.roster_import.run(found, caller=system_caller(), options=ImportOptions(dry_run=dry_run))
        digest = hashlib.sha256((path / "users.csv").read_bytes()).hexdigest()

    ((_, role, before, after),) = await recorded(adsum, "roster_imported")
    assert (role, before, after["sha256"]["users.csv"]) == ("system", None, digest)
    assert after["added"] > 100
    assert set(after["sha256"]) <= {"orgs.csv", "academicsessions.csv", "users.csv", "classes.csv", "enrollments.csv"}


async def test_an_import_of_marks_is_recorded_with_counts_and_digest(adsum: Adsum, api: Api) -> None:
    school = api.school
    row = (school.class_id, school.session_id, school.student_ids[0], DAY, "late")
    content = "classId,sessionId,studentId,date,status\n" + ",".join(map(str, row)) + "\n"
    headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {api.tokens['office']}"}
    for dry_run in ("true", "false"):
        query = {"dryRun": dry_run, "schoolId": str(school.school_id)}
        answer = await api.client.post("/attendances/import", content=content, headers=headers, params=query)
        assert answer.is_success, answer.text

    digest = hashlib.sha256(content.encode()).hexdigest()
    assert await recorded(adsum, "marks_imported") == [
        ("marks_imported", "office", None, {"rows": 1, "batches": 1, "sha256": digest})
    ]


@pytest.mark.parametrize(
    ("path", "name", "query"),
    [
        ("/attendances", "attendances", {"status": "late"}),
        ("/reports/rates", "rates", {"by": "student", "from": DAY, "to": DAY}),
        ("/reports/in-the-house", "in-the-house", {}),
        ("/reports/in-the-house/unknown", "unknown", {}),
        ("/contacts/to-call", "call-list", {}),
    ],
)
async def test_an_export_of_a_list_is_recorded_without_the_values_of_its_filters(
    adsum: Adsum, api: Api, path: str, name: str, query: dict[str, str]
) -> None:
    headers = {"Accept": "text/csv", "Authorization": f"Bearer {api.tokens['office']}"}
    assert (await api.client.get(path, params=query)).status_code
    answer = await api.client.get(path, params=query | {"schoolId": str(api.school.school_id)}, headers=headers)
    assert answer.is_success, answer.text

    (entry,) = await entries_of(adsum.database, "list_exported")
    after = json.loads(entry["after"])
    assert (after["list"], after["form"], entry["school_id"]) == (name, "csv", api.school.school_id)
    assert "school_id" in after["filters"]
    assert "late" not in entry["after"]


async def test_reading_a_students_whole_record_is_recorded_for_the_api_and_the_page(adsum: Adsum, api: Api) -> None:
    student = api.school.student_ids[0]
    period = {"from": DAY, "to": DAY}
    assert (await api.create("office")).is_success
    answer = await api.get(f"/reports/students/{student}", **period, schoolId=str(api.school.school_id))
    assert answer.is_success, answer.text

    (entry,) = await entries_of(adsum.database, "student_read")
    assert (entry["caller_role"], entry["student_id"], entry["school_id"]) == ("office", student, api.school.school_id)
    data = await api.get(f"/students/{student}/data")
    assert [each["action"] for each in data.json()["auditEntries"]] == ["student_read", "student_exported"]


async def test_entries_about_an_erased_student_stay_and_do_not_name_them(adsum: Adsum, api: Api) -> None:
    student = api.school.student_ids[0]
    await change(api, "DELETE", f"/students/{student}")

    (entry,) = await entries_of(adsum.database, "student_erased")
    assert (entry["student_id"], json.loads(entry["after"])) == (student, {"records": 0})
    assert "Given" not in str(await entries_of(adsum.database))
