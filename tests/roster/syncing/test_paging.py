"""Pages of a collection: services number and link them in several ways, and rows move while they are read."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.roster.syncing import reading
from adsum.roster.syncing.rules import SourceUnavailable, WrongSource
from tests.roster.conftest import Importing, counts
from tests.roster.syncing.conftest import Syncing
from tests.support.roster_service import FIRST, Fault, roster_service


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"has_links": False},
        {"has_total": False},
        {"has_links": False, "has_total": False},
        {"has_cursors": True},
        {"has_cursors": True, "has_total": False},
        {"max_limit": 3},
        {"max_limit": 3, "has_links": False, "has_total": False},
        {"link_base": "http://127.0.0.1:9/elsewhere"},
        {"link_base": "http://127.0.0.1:9/elsewhere", "has_cursors": True},
        {"has_filters": False},
    ],
    ids=str,
)
async def test_every_row_is_read_once(syncing: Syncing, behaviour: dict[str, Any]) -> None:
    for name, value in behaviour.items():
        setattr(syncing.service, name, value)

    report = await syncing.run()

    assert report.imported.violations == ()
    assert counts(report.imported)["enrolments"] == (24, 0, 0, 0)
    assert (await syncing.run()).imported.changes_nothing


async def test_rows_are_sorted_so_that_pages_stay_in_order(syncing: Syncing) -> None:
    await syncing.run()
    first = syncing.service.asked["users"][0]
    assert first == {"limit": "5", "offset": "0", "sort": "sourcedId", "orderBy": "asc"}


@pytest.mark.parametrize("has_total", [True, False])
async def test_a_row_that_vanishes_between_two_pages_hides_no_other_one(
    syncing: Syncing, importing: Importing, has_total: bool
) -> None:
    """Another row is added at the same time, so that the total stays. The 6th user would be skipped."""
    syncing.service.has_total = has_total
    first = syncing.service.objects["users"][0]["sourcedId"]

    def change(collection: str, number: int) -> None:
        if (collection, number) == ("users", 2):
            syncing.service.add("users", FIRST, like="teacher-1", sourcedId="teacher-2")
            syncing.service.drop("users", first)
            for each in [each for each in syncing.service.objects["enrollments"] if each["user"]["sourcedId"] == first]:
                syncing.service.objects["enrollments"].remove(each)

    syncing.service.before = change

    report = await syncing.run()

    assert counts(report.imported)["students"] == (11, 0, 0, 0)
    assert {violation.pointer for violation in report.imported.violations} == {
        f"enrollments/class-{number}-{first}" for number in (1, 2)
    }
    assert (await syncing.run()).imported.violations == ()


async def test_a_row_that_is_added_between_two_pages_is_read(syncing: Syncing) -> None:
    def change(collection: str, number: int) -> None:
        if (collection, number) == ("users", 2):
            syncing.service.add("users", FIRST, like="student-1", sourcedId="a-student")

    syncing.service.before = change

    report = await syncing.run()

    assert report.imported.violations == ()
    assert counts(report.imported)["students"] == (13, 0, 0, 0)


async def test_a_collection_that_changes_all_the_time_is_given_up(syncing: Syncing, importing: Importing) -> None:
    def change(collection: str, number: int) -> None:
        if collection == "users":
            syncing.service.add("users", FIRST, like="student-1", sourcedId=f"a-{number}")

    syncing.service.before = change

    with pytest.raises(SourceUnavailable, match="users: it changed each of the 3 times"):
        await syncing.run()
    assert not any((await importing.everything()).values())


@pytest.mark.parametrize("total", ["8", "20"])
async def test_a_service_that_counts_its_rows_wrongly_is_given_up(syncing: Syncing, total: str) -> None:
    """With a total that is too large, rows are missing, and would end."""
    syncing.service.has_total = False
    right = syncing.service.answer

    def answer(path: str, *arguments: Any) -> Fault:
        found = right(path, *arguments)
        if path.endswith("/users"):
            found.headers["X-Total-Count"] = total
        return found

    syncing.service.answer = answer  # type: ignore[method-assign]

    with pytest.raises(SourceUnavailable, match="counts its rows wrongly"):
        await syncing.run()


async def test_a_total_that_is_no_number_is_not_used(syncing: Syncing) -> None:
    syncing.service.faults["orgs", 1] = Fault(
        headers={"X-Total-Count": "many"}, content=b'{"orgs": [{"sourcedId": "school-1", "status": "active"}]}'
    )
    syncing.service.faults["orgs", 2] = Fault(
        headers={"X-Total-Count": "many"}, content=b'{"orgs": [{"sourcedId": "school-1", "status": "active"}]}'
    )
    report = await syncing.run(dry_run=True)
    assert ("orgs/school-1", "missing_value") in [(each.pointer, each.code) for each in report.imported.violations]


async def test_links_in_a_circle_are_refused(syncing: Syncing) -> None:
    page = b'{"users": [{"sourcedId": "student-1"}]}'
    syncing.service.faults["users", 0] = Fault(
        headers={"Link": '<https://sis.example/users?page=2>; rel="next"'}, content=page
    )

    with pytest.raises(WrongSource, match="users: the link to the next page leads to an earlier one"):
        await syncing.run()


async def test_a_collection_with_too_many_rows_is_refused(syncing: Syncing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LINES_IN_MEMORY", {"users": 11})
    with pytest.raises(WrongSource, match="users: it has more than 11 rows"):
        await syncing.run()


@pytest.mark.parametrize("has_cursors", [True, False])
async def test_a_link_to_another_server_sends_the_token_nowhere(syncing: Syncing, has_cursors: bool) -> None:
    syncing.service.has_cursors = has_cursors
    with roster_service({}) as another:
        syncing.service.link_base = another.url
        assert (await syncing.run()).imported.violations == ()
    assert another.asked == {}


async def test_a_redirect_to_another_server_sends_the_token_nowhere(syncing: Syncing) -> None:
    with roster_service({}) as another:
        syncing.service.faults["users", 1] = Fault(307, {"Location": f"{another.url}/users"})
        with pytest.raises(WrongSource, match="users: it answered with status 307"):
            await syncing.run()
    assert another.asked == {}
