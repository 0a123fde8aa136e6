"""`adsum student list`, `adsum class list` and `adsum session list`: the filters of the API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from adsum.platform.database.engine import Database
from adsum.platform.paging import MAX_LIMIT
from tests.support.commands import Commands, commands
from tests.support.schools import SchoolIds, enrol, make_class, make_school, make_session, make_student


@dataclass(frozen=True, slots=True)
class Lists:
    """Commands that list the rosters of two schools."""

    commands: Commands
    first: SchoolIds
    second: SchoolIds

    def ids(self, thing: str, **filters: object) -> list[int]:
        """The ids that `adsum THING list` shows with these options."""
        options = [f"--{name.replace('_', '-')}={value}" for name, value in filters.items()]
        return [item["id"] for item in self.items(thing, *options)]

    def items(self, thing: str, *options: str) -> list[dict[str, Any]]:
        return json.loads(self.commands.output(thing, "list", *options, "--json"))


@pytest.fixture
async def lists(database: Database, database_url: str, redis_url: str) -> Lists:
    async with database.transaction() as connection:
        first, second = await make_school(connection), await make_school(connection)
    return Lists(commands(database_url=database_url, redis_url=redis_url, log_level="WARNING"), first, second)


async def test_students_are_listed_by_id_with_every_filter_of_the_api(lists: Lists, database: Database) -> None:
    first, second = lists.first, lists.second
    async with database.transaction() as connection:
        muller = await make_student(connection, first.school_id, given="Zoë", family="Müller", source_id="s-0815")
        await enrol(connection, first.class_id, [muller], begin=date(2024, 10, 1), end=date(2024, 11, 1))

    assert lists.ids("student") == [*first.student_ids, *second.student_ids, muller]
    assert lists.ids("student", school=second.school_id) == second.student_ids
    assert lists.ids("student", **{"class": first.class_id}) == first.student_ids
    assert lists.ids("student", **{"class": first.class_id}, date="2024-10-31") == [*first.student_ids, muller]
    assert lists.ids("student", date="2024-09-01") == []
    assert lists.ids("student", search="mueller zoe") == lists.ids("student", sourced_id=" s-0815 ") == [muller]


async def test_classes_and_sessions_are_listed_by_id_with_every_filter_of_the_api(
    lists: Lists, database: Database
) -> None:
    first, second = lists.first, lists.second
    async with database.transaction() as connection:
        gone = await make_class(connection, first.school_id, title="Ancient Greek", source_id="c-9", active=False)
        period = await make_session(connection, gone, period="2", title="Second", end_date=date(2024, 11, 1))

    assert lists.ids("class") == [first.class_id, second.class_id, gone]
    assert lists.ids("class", school=first.school_id) == [first.class_id, gone]
    assert lists.ids("class", student=second.student_ids[0]) == [second.class_id]
    assert [item["id"] for item in lists.items("class", "--active")] == [first.class_id, second.class_id]
    assert [item["id"] for item in lists.items("class", "--inactive")] == [gone]
    both = lists.commands.run("class", "list", "--active", "--inactive")
    assert (both.returncode, "give either --active or --inactive" in both.stderr) == (2, True)
    assert lists.ids("class", search="greek anc") == lists.ids("class", sourced_id="c-9") == [gone]
    assert lists.ids("session") == [first.session_id, second.session_id, period]
    assert lists.ids("session", school=first.school_id) == [first.session_id, period]
    assert (
        lists.ids("session", **{"class": gone})
        == lists.ids("session", **{"class": gone}, date="2024-10-31")
        == [period]
    )
    assert lists.ids("session", **{"class": gone}, date="2024-11-01") == []


def test_tables_have_names_beside_the_ids_and_json_is_that_of_the_api(demo: Commands) -> None:
    students = demo.output("student", "list", "--class", "123").splitlines()
    classes = demo.output("class", "list", "--school", "1").splitlines()
    sessions = demo.output("session", "list", "--class", "123").splitlines()

    assert students[0].split() == [
        "Id",
        "Family",
        "name",
        "Given",
        "name",
        "Grade",
        "School",
        "id",
        "Sourced",
        "id",
        "Active",
    ]
    assert len(students) == 1 + 30
    assert [line.split()[:1] for line in students[1:3]] == [["1"], ["2"]]
    assert classes[1].startswith("123  ")
    assert sessions[1].startswith(f"456  123       {classes[1][5:].split('  ')[0].strip()}")
    (session,) = json.loads(demo.output("session", "list", "--class", "123", "--json"))
    assert session.keys() == {"id", "classId", "period", "title", "active", "beginDate", "endDate"}


async def test_more_students_than_a_page_are_listed_once_each(lists: Lists, database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=2 * MAX_LIMIT + 1)

    assert lists.ids("student", school=school.school_id) == school.student_ids


@pytest.mark.parametrize("thing", ["student", "class", "session"])
def test_a_list_without_a_match_says_so(demo: Commands, thing: str) -> None:
    of_class = "--student" if thing == "class" else "--class"
    ended = demo.run(thing, "list", of_class, "999")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith("adsum: no ")
    assert json.loads(demo.output(thing, "list", of_class, "999", "--json")) == []


def test_a_list_of_a_school_that_does_not_exist_is_refused(demo: Commands) -> None:
    for command in ("student list", "class list", "session list", "key list", "hold list", "audit list"):
        ended = demo.run(*command.split(), "--school", "999")
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "adsum: there is no school 999\n"), command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("student", "list", "--date", "25.12.2024"), "'--date'"),
        (("student", "list", "--class", "0"), "'--class'"),
        (("student", "list", "--search", "x" * 101), "a search has at most 100 characters"),
        (("student", "list", "--search", "\udcff"), "a search must not contain NUL or unpaired surrogates"),
        (("student", "list", "--sourced-id", "a\nb"), "this must not contain control characters"),
        (("class", "list", "--student", "7b"), "'--student'"),
        (("class", "list", "--sourced-id", "\udcff"), "unpaired surrogates"),
        (("session", "list", "--date", "2025-02-29"), "'--date'"),
        (("session", "list", "--search", "7b"), "No such option"),
        (("absence", "list", "--search", "\udcff"), "a search must not contain NUL or unpaired surrogates"),
        (("search", "\udcff"), "a search must not contain NUL or unpaired surrogates"),
    ],
)
def test_a_wrong_filter_is_refused_by_its_option(demo: Commands, arguments: tuple[str, ...], message: str) -> None:
    ended = demo.run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
