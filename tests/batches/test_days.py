"""The school's time zone decides the day; rosters depend on the day."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import enrol, make_school, make_student


@pytest.mark.parametrize(
    "day",
    ["2024-12-25", "2024-12-25T00:00:00.000Z", "2024-12-25T00:00:00+07:00", "2024-12-24T17:00:00Z"],
)
async def test_a_date_means_the_schools_own_day(adsum: Adsum, api: Api, day: str) -> None:
    async with adsum.database.transaction() as connection:
        api.school = await make_school(connection, time_zone="Asia/Ho_Chi_Minh")
    await api.sign_in_teacher()
    created = await api.create("teacher", learningDate=day)
    assert created.status_code == 202
    assert created.json()["batchId"].endswith("-date-25122024")


async def test_a_student_is_not_on_the_roster_of_the_day_of_leaving(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    async with adsum.database.transaction() as connection:
        leaver = await make_student(connection, api.school.school_id)
        await enrol(connection, api.school.class_id, [leaver], end=date(2024, 12, 10))
    ninth = await api.create(learningDate="2024-12-09")
    tenth = await api.create(learningDate="2024-12-10")
    assert (ninth.json()["totalJobs"], tenth.json()["totalJobs"]) == (31, 30)
    refused = await api.create(learningDate="2024-12-11", unselectedStudentIds=[leaver])
    assert violations(refused) == {("/unselectedStudentIds/0", "not_enrolled")}
    async with worker():
        assert (await ended(adsum, ninth.json()["batchId"])).tally.recorded == 31


async def test_an_outdated_roster_version_is_a_conflict(adsum: Adsum, api: Api) -> None:
    roster = (await api.get(f"/classes/{api.school.class_id}/roster", date="2024-12-25")).json()
    same = await api.create(rosterVersion=roster["rosterVersion"], learningDate="2024-12-25")
    assert same.status_code == 202
    async with adsum.database.transaction() as connection:
        joined = await make_student(connection, api.school.school_id)
        await enrol(connection, api.school.class_id, [joined])
    changed = await api.create(rosterVersion=roster["rosterVersion"], learningDate="2024-12-24")
    assert (changed.status_code, changed.json()["code"]) == (409, "roster_changed")
    assert changed.json()["params"] == {"joined": [joined], "left": []}


async def test_an_invalid_roster_version_is_refused(api: Api) -> None:
    assert violations(await api.create(rosterVersion="30-abcdef")) == {("/rosterVersion", "wrong_roster_version")}
