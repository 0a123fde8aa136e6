"""Upserts by source id, for platforms without OneRoster files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import func, select

from adsum.accounts.access import system_caller
from adsum.platform.errors import Invalid
from adsum.privacy.merging.rules import MergeChoices
from adsum.roster.by_source.rules import SourcedClass, SourcedSession
from adsum.roster.tables import classes, enrolments, sessions, student_contacts
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api, violations
from tests.support.installation import RunWorker, adsum, ended, redis, settings, worker
from tests.support.schools import add_school, make_bare_school, make_contact, make_school, make_student

__all__ = ["adsum", "redis", "settings", "worker"]


@pytest.fixture
async def api(adsum: Adsum) -> AsyncGenerator[Api]:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school) as opened:
        yield opened


async def upsert(api: Api, what: str, source_id: str, role: str = "office", **body: Any) -> httpx2.Response:
    return await api.change("PUT", f"/{what}/by-source/{source_id}", role, None, json=body)


async def test_a_class_that_a_platform_upserts_can_be_marked(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    of_class = await upsert(api, "classes", "c-1", title="7b")
    pupil = await upsert(api, "students", "s-1", givenName="Ada", familyName="Byron", grade="07")
    session = await upsert(api, "sessions", "p-1", classSourcedId="c-1", title="Homeroom")
    enrolled = await upsert(
        api, "enrolments", "e-1", classSourcedId="c-1", studentSourcedId="s-1", beginDate="2024-09-02"
    )

    assert {each.status_code for each in (of_class, pupil, session, enrolled)} == {HTTPStatus.CREATED}
    marked = await api.create(classId=of_class.json()["id"], sessionId=session.json()["id"])
    async with worker():
        status = await ended(adsum, marked.json()["batchId"])
    assert status.tally.recorded == 1


async def test_a_student_is_found_by_the_newest_name(api: Api) -> None:
    async def found(words: str) -> int:
        return len((await api.get("/students", q=words)).json()["items"])

    await upsert(api, "students", "s-1", givenName="Sof\u00eda", familyName="N\u00fa\u00f1ez")
    assert await found("Nunez, Sofia") == 1
    await upsert(api, "students", "s-1", givenName="Sof\u00eda", familyName="Ib\u00e1\u00f1ez")
    assert (await found("sofia nunez"), await found("sofia ibanez")) == (0, 1)


async def test_a_former_school_neither_duplicates_nor_renames_the_student(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other = await make_school(connection)
        student_id = await make_student(connection, other.school_id, source_id="s-1", given="Grace")
        await add_school(connection, student_id, api.school.school_id, source_id="s-1")
    await upsert(api, "classes", "c-1", title="7b")

    put = await upsert(api, "students", "s-1", givenName="Ada", familyName="Byron")
    enrolled = await upsert(api, "enrolments", "e-1", classSourcedId="c-1", studentSourcedId="s-1")

    assert (put.status_code, put.json()["id"], enrolled.status_code) == (HTTPStatus.OK, student_id, HTTPStatus.CREATED)
    (listed,) = (await api.get("/students", sourcedId="s-1")).json()["items"]
    assert (listed["schoolId"], listed["givenName"], listed["active"]) == (api.school.school_id, "Grace", True)


async def test_the_contacts_of_a_student_who_leaves_a_school_are_deleted_at_that_school(adsum: Adsum, api: Api) -> None:
    here = api.school.school_id
    async with adsum.database.transaction() as connection:
        other = (await make_school(connection)).school_id
        at_home = await make_student(connection, here, source_id="s-1")
        elsewhere = await make_student(connection, other, source_id="s-2")
        for student_id, second in ((at_home, other), (elsewhere, here)):
            await add_school(connection, student_id, second, source_id="s-2" if second == here else None, active=True)
            await make_contact(connection, here, student_id)
            await make_contact(connection, other, student_id)

    async def schools_with_contacts(student_id: int) -> list[int]:
        async with adsum.database.snapshot() as connection:
            c = student_contacts.c
            return sorted(await connection.scalars(select(c.school_id).where(c.student_id == student_id)))

    name = {"givenName": "Ada", "familyName": "Byron"}
    for source_id, student_id in (("s-1", at_home), ("s-2", elsewhere)):
        await upsert(api, "students", source_id, **name)
        assert await schools_with_contacts(student_id) == [here, other]
        await upsert(api, "students", source_id, **name, active=False)
        assert await schools_with_contacts(student_id) == [other]


async def test_a_merged_record_that_leaves_takes_no_contacts_from_the_student_who_stays(adsum: Adsum, api: Api) -> None:
    here = api.school.school_id
    async with adsum.database.transaction() as connection:
        kept = await make_student(connection, here, source_id="s-1")
        removed = await make_student(connection, here, source_id="s-2")
        await make_contact(connection, here, kept)
    await adsum.student_merges.merge(kept, removed, MergeChoices(), system_caller())

    name = {"givenName": "Ada", "familyName": "Byron"}
    for source_id, contacts in (("s-2", 1), ("s-1", 0)):
        await upsert(api, "students", source_id, **name, active=False)
        assert len(await adsum.student_contacts.of_student(kept, system_caller())) == contacts


async def test_a_repeated_upsert_changes_nothing_and_a_differing_one_updates(api: Api) -> None:
    first = await upsert(api, "classes", "c-1", title="7b")
    again = await upsert(api, "classes", "c-1", title="7b")
    renamed = await upsert(api, "classes", "c-1", title="7c", active=False)

    assert [each.status_code for each in (first, again, renamed)] == [201, 200, 200]
    assert first.json() == again.json() == renamed.json()
    listed = (await api.get("/classes", sourcedId="c-1", q="7C")).json()["items"]
    assert [(item["title"], item["active"]) for item in listed] == [("7c", False)]


async def test_grades_are_a_list_separated_by_commas(api: Api) -> None:
    student = {"givenName": "Ada", "familyName": "Byron"}
    put = await upsert(api, "students", "s-1", **student, grade="07, 08")
    wrong = await upsert(api, "students", "s-2", **student, grade=f"07,{'8' * 33}")

    assert put.status_code == HTTPStatus.CREATED
    assert [item["grade"] for item in (await api.get("/students", sourcedId="s-1")).json()["items"]] == ["07,08"]
    assert [(each["pointer"], each["code"]) for each in wrong.json()["errors"]] == [("/grade", "too_long")]


async def test_concurrent_upserts_create_one_row(adsum: Adsum, api: Api) -> None:
    answers = await asyncio.gather(*(upsert(api, "classes", "c-1", title="7b") for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    async with adsum.database.snapshot() as connection:
        found = select(func.count()).select_from(classes).where(classes.c.source_id == "c-1")
        assert await connection.scalar(found) == 1


async def test_an_upserted_enrolment_is_ended_and_cannot_become_another_students(adsum: Adsum, api: Api) -> None:
    await upsert(api, "classes", "c-1", title="7b")
    for student in ("s-1", "s-2"):
        await upsert(api, "students", student, givenName="Ada", familyName="Byron")
    where = {"classSourcedId": "c-1", "beginDate": "2024-09-02"}
    await upsert(api, "enrolments", "e-1", studentSourcedId="s-1", **where)

    ended_on = await upsert(api, "enrolments", "e-1", studentSourcedId="s-1", endDate="2024-12-01", **where)
    other = await upsert(api, "enrolments", "e-1", studentSourcedId="s-2", **where)
    wrong = await upsert(api, "enrolments", "e-2", studentSourcedId="s-2", endDate="2024-01-01", **where)

    assert ended_on.status_code == HTTPStatus.OK
    assert violations(other) == {("/studentSourcedId", "reassigned_id")}
    assert violations(wrong) == {("/endDate", "days_reversed")}
    async with adsum.database.snapshot() as connection:
        found = select(enrolments.c.end_date).where(enrolments.c.source_id == "e-1")
        assert str(await connection.scalar(found)) == "2024-12-01"


async def test_a_session_from_a_roster_file_gets_the_source_id(adsum: Adsum, api: Api) -> None:
    await upsert(api, "classes", "c-1", title="7b")
    first = await upsert(api, "sessions", "p-1", classSourcedId="c-1", title="First", period="1")
    async with adsum.database.transaction() as connection:
        await connection.execute(sessions.update().values(source_id=None))

    adopted = await upsert(api, "sessions", "p-9", classSourcedId="c-1", title="Homeroom", period="1")
    moved = await upsert(api, "sessions", "p-9", classSourcedId="c-1", title="Homeroom", period="2")

    assert (adopted.status_code, adopted.json()["id"]) == (HTTPStatus.OK, first.json()["id"])
    assert moved.json()["id"] == first.json()["id"]


async def test_a_session_stays_with_its_class_and_a_period_with_its_session(api: Api) -> None:
    for source_id in ("c-1", "c-2"):
        await upsert(api, "classes", source_id, title="7b")
    await upsert(api, "sessions", "p-1", classSourcedId="c-1", title="First", period="1")

    elsewhere = await upsert(api, "sessions", "p-1", classSourcedId="c-2", title="First", period="1")
    taken = await upsert(api, "sessions", "p-2", classSourcedId="c-1", title="Other", period="1")

    assert violations(elsewhere) == {("/classSourcedId", "reassigned_id")}
    assert violations(taken) == {("/period", "period_taken")}


async def test_every_violation_of_an_upsert_is_reported(api: Api) -> None:
    enrolment = await upsert(api, "enrolments", "e-1", classSourcedId="c-9", studentSourcedId="s-9")
    session = await upsert(api, "sessions", "p-1", classSourcedId="c-9", title="First")
    blank = await upsert(api, "sessions", "%20", classSourcedId=" ", title=" ")

    assert violations(enrolment) == {("/classSourcedId", "unknown_class"), ("/studentSourcedId", "unknown_student")}
    assert violations(session) == {("/classSourcedId", "unknown_class")}
    nothing = {("/path/sourcedId", "too_short"), ("/classSourcedId", "too_short"), ("/title", "too_short")}
    assert violations(blank) == nothing
    row = SourcedClass("x" * 256, "\x00")
    with pytest.raises(Invalid) as refused:
        await api.adsum.sourced_roster.put_class(api.school.school_id, " ", row, system_caller())
    assert {violation.code for violation in refused.value.violations} == {"wrong_form", "too_long", "wrong_text"}


async def test_an_id_may_hold_a_slash(api: Api) -> None:
    for what, body in (
        ("classes", {"title": "7b"}),
        ("students", {"givenName": "Ada", "familyName": "Byron"}),
        ("sessions", {"classSourcedId": "2026/7B", "title": "Homeroom"}),
        ("enrolments", {"classSourcedId": "2026/7B", "studentSourcedId": "2026/7B"}),
    ):
        added = await upsert(api, what, "2026%2F7B", **body)
        assert (added.status_code, added.json().get("sourcedId", added.text)) == (HTTPStatus.CREATED, "2026/7B")
        assert (await upsert(api, what, "2026/7B", **body)).status_code == HTTPStatus.OK
    for what in ("classes", "students"):
        assert len((await api.get(f"/{what}", sourcedId="2026/7B")).json()["items"]) == 1


async def test_blanks_at_the_ends_of_ids_and_names_are_stripped(api: Api) -> None:
    first = await upsert(api, "students", "%20x", givenName="Ada ", familyName="\u00a0Byron", grade=" 07")
    again = await upsert(api, "students", "x%C2%A0", givenName="Ada", familyName="Byron", grade="07")
    await upsert(api, "classes", "c-1", title="7b")
    enrolled = await upsert(api, "enrolments", "e-1", classSourcedId=" c-1", studentSourcedId="x\t")
    (listed,) = (await api.get("/students", sourcedId="x ")).json()["items"]

    assert (first.json()["sourcedId"], again.status_code) == ("x", HTTPStatus.OK)
    assert first.json() == again.json()
    assert enrolled.status_code == HTTPStatus.CREATED
    assert (listed["sourcedId"], listed["givenName"], listed["grade"]) == ("x", "Ada", "07")


@pytest.mark.parametrize("character", ["%0A", "%00", "%1F", "%7F", "%C2%85", "%E2%80%A8"])
async def test_control_characters_in_ids_are_refused(api: Api, character: str) -> None:
    in_path = await upsert(api, "students", f"a{character}b", givenName="Ada", familyName="B\nyron")
    in_query = await api.get("/students", sourcedId=unquote(f"a{character}b"))

    assert violations(in_path) == {("/path/sourcedId", "wrong_text"), ("/familyName", "wrong_text")}
    assert violations(in_query) == {("/query/sourcedId", "wrong_text")}
    row = SourcedClass("7b")
    for source_id, codes in (("a\nb", {"wrong_text"}), ("x ", {"wrong_form"})):
        with pytest.raises(Invalid) as refused:
            await api.adsum.sourced_roster.put_class(api.school.school_id, source_id, row, system_caller())
        assert {violation.code for violation in refused.value.violations} == codes


async def test_only_importers_may_upsert_and_only_in_their_schools(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = await make_bare_school(connection, name="Ahorn")
    path = "/classes/by-source/c-1"
    other = await api.change("PUT", path, "office", None, json={"title": "7b"}, params={"schoolId": elsewhere})

    assert other.status_code == HTTPStatus.NOT_FOUND
    for role in ("teacher", "viewer", "operator"):
        assert (await upsert(api, "classes", "c-1", role, title="7b")).status_code == HTTPStatus.FORBIDDEN


def test_a_blank_title_is_too_short_also_for_callers_of_the_library() -> None:
    session = SourcedSession(class_source_id="c-1", title=" ")
    assert [(each.pointer, each.code) for each in session.violations()] == [("/title", "too_short")]
