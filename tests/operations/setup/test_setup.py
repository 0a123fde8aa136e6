"""The setup of a new school: what Adsum sees to be done, and what somebody confirms."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert

from adsum.accounts.access import Role
from adsum.attendance.statuses.rules import CountsAs, Status
from adsum.operations.migrations import tables
from adsum.operations.setup.commands import TASKS
from adsum.operations.setup.rules import SetupFacts, Step, StepState, setup_of
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, NotFound
from adsum.schools.calendar.rules import SessionTime
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import (
    SchoolIds,
    caller,
    give_times,
    make_bare_school,
    make_school,
    make_user,
)

NOW = datetime(2025, 3, 12, 9, tzinfo=UTC)


@pytest.fixture
def setup(database: Database) -> SchoolSetup:
    return SchoolSetup(database, lambda: NOW)


def open_steps(states: dict[Step, StepState]) -> list[Step]:
    return [step for step, state in states.items() if state is StepState.OPEN]


async def test_a_new_school_has_every_step_before_it(setup: SchoolSetup, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        await make_user(connection, Role.TEACHER, school_id, source_id="t-1")  # without a login
        await make_user(connection, Role.ADMIN, school_id, email="head@a.example")
    found = await setup.find(school_id, caller(Role.OFFICE, school_id))
    assert open_steps(dict(found.steps)) == list(Step)
    assert (found.done, found.is_complete, found.is_shown) == (0, False, True)


async def test_steps_are_done_once_their_data_exist(setup: SchoolSetup, adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
        other = await make_school(connection)
        await give_times(connection, {school.session_id: [SessionTime(1, "08:00", "08:45")]})
        await make_user(connection, Role.TEACHER, school.school_id, email="t@a.example")
        term = {"title": "Autumn", "begin_date": date(2024, 9, 1), "end_date": date(2024, 12, 20)}
        await connection.execute(insert(tables.terms).values(school_id=school.school_id, **term))
    office = caller(Role.OFFICE, school.school_id)
    await adsum.schools.change(school.school_id, {"time_zone": "Europe/Berlin", "weekdays": "123456"}, office)
    await adsum.statuses.add(school.school_id, Status("trip", "Trip", "T", CountsAs.ATTENDED), office)
    found = await setup.find(school.school_id, office)
    assert open_steps(dict(found.steps)) == [Step.REGISTER]
    both = await setup.of_schools([school.school_id, other.school_id], office)
    assert {school_id: each.done for school_id, each in both.items()} == {school.school_id: 6, other.school_id: 0}


def test_a_register_that_was_taken_completes_the_list() -> None:
    facts = SetupFacts(
        frozenset({"time_zone", "weekdays"}),
        has_terms=True,
        has_times=True,
        has_own_statuses=True,
        logins=1,
        has_register=True,
    )
    found = setup_of(1, facts)
    assert (found.is_complete, found.is_shown, found.done) == (True, False, 7)


async def test_a_step_is_confirmed_and_taken_back_and_the_list_is_dismissed(
    setup: SchoolSetup, database: Database
) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
    office = caller(Role.OFFICE, school_id)
    for _ in range(2):  # a repetition changes nothing
        confirmed = await setup.confirm(school_id, Step.TERMS, office)
        assert confirmed.steps[Step.TERMS] is StepState.CONFIRMED
    assert (await setup.confirm(school_id, Step.TERMS, office, confirmed=False)).steps[Step.TERMS] is StepState.OPEN
    assert not (await setup.dismiss(school_id, office)).is_shown
    assert (await setup.dismiss(school_id, office, dismissed=False)).is_shown


async def test_a_setup_is_for_those_who_manage_the_school(setup: SchoolSetup, database: Database) -> None:
    async with database.transaction() as connection:
        here, there = await make_bare_school(connection), await make_bare_school(connection)
    for attempt in (setup.find(here, caller(Role.TEACHER, here)), setup.dismiss(here, caller(Role.VIEWER, here))):
        with pytest.raises(Forbidden):
            await attempt
    for attempt in (setup.find(there, caller(Role.OFFICE, here)), setup.dismiss(there, caller(Role.OFFICE, here))):
        with pytest.raises(NotFound):
            await attempt


@pytest.fixture
async def api(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Api]:
    async with opened_api(adsum, school, (Role.OFFICE,)) as api:
        yield api


async def test_the_setup_is_read_and_changed_over_http(api: Api) -> None:
    path = f"/schools/{api.school.school_id}/setup"
    found = (await api.get(path)).json()
    assert found["steps"][0] == {"step": "time_zone", "state": "open"}
    assert (found["isComplete"], found["isDismissed"]) == (False, False)
    confirmed = (await api.change("PUT", f"{path}/time_zone", "office", None, json={"confirmed": True})).json()
    assert confirmed["steps"][0] == {"step": "time_zone", "state": "confirmed"}
    assert (await api.change("PATCH", path, "office", None, json={"dismissed": True})).json()["isDismissed"] is True
    assert (await api.change("PUT", f"{path}/lunch", "office", None, json={"confirmed": True})).status_code == 422


async def test_the_start_page_shows_the_list_until_it_is_hidden(api: Api) -> None:
    pages, school_id = Pages(api), api.school.school_id
    page = await pages.open("/admin")
    assert [
        task for task in TASKS.values() if task not in visible_text(page)
    ] == []  # `adsum school setup` says the same
    assert "1 of 7 done" in visible_text(page)
    assert f'href="/admin/timetable?school={school_id}"' in page.text
    answer = await pages.send("/admin/setup", {"school": school_id, "step": "terms"})
    assert answer.headers["location"] == f"/admin?opened={school_id}#setup-{school_id}"
    assert "2 of 7 done" in visible_text(await pages.open("/admin"))
    await pages.send("/admin/setup", {"school": school_id, "step": "terms", "undo": "true"})
    assert "1 of 7 done" in visible_text(await pages.open("/admin"))
    assert "Show the setup list" not in visible_text(await pages.open("/admin"))
    await pages.send("/admin/setup", {"school": school_id})
    hidden = visible_text(await pages.open("/admin"))
    assert ("of 7 done" in hidden, "Show the setup list" in hidden) == (False, True)
    await pages.send("/admin/setup", {"school": school_id, "undo": "true"})
    assert "1 of 7 done" in visible_text(await pages.open("/admin"))
