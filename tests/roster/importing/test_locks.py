"""Requests that change the roster of a school wait for an import of it, on Postgres: neither deadlocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from adsum.accounts.access import system_caller
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database
from adsum.roster.by_source.rules import SourcedClass
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.importing.steps import RosterSteps
from adsum.schools.calendar.service import SchoolCalendar
from tests.roster.conftest import Importing
from tests.roster.files import Roster, a_school
from tests.roster.terms_files import FIRST, term, with_terms
from tests.support.waiting import until

NOW = datetime(2024, 10, 15, 12, tzinfo=UTC)
Writer = Callable[[Importing], Awaitable[object]]


@pytest.fixture
def importing(postgres_database: Database) -> Importing:
    return Importing(postgres_database)


async def put_class(importing: Importing) -> None:
    (school,) = await importing.rows(tables.schools)
    by_source = SourcedRoster(importing.database, lambda: NOW)
    await by_source.put_class(school["id"], "class-1", SourcedClass("By the platform"), system_caller())


async def remove_term(importing: Importing) -> None:
    (free,) = [row for row in await importing.rows(tables.terms) if row["source_id"] == "free"]
    await SchoolCalendar(importing.database, lambda: NOW, marks_on_closed_days).remove_term(
        free["school_id"], free["id"], system_caller()
    )


@pytest.mark.parametrize("write", [put_class, remove_term])
async def test_a_request_that_changes_what_an_import_changes_waits_for_it(
    importing: Importing, monkeypatch: pytest.MonkeyPatch, write: Writer
) -> None:
    roster = with_free_term()
    await importing.run(roster)
    roster.row("classes", "class-1")["title"] = "By the file"
    for each in (FIRST, "free"):
        roster.row("academicSessions", each)["title"] = "Changed"
    waiting: list[asyncio.Task[object]] = []
    finish = RosterSteps.finish

    async def finish_while_a_request_waits(steps: RosterSteps) -> None:
        waiting.append(asyncio.ensure_future(write(importing)))
        await until(lambda: waits_for_a_lock(importing))
        await finish(steps)

    monkeypatch.setattr(RosterSteps, "finish", finish_while_a_request_waits)
    report = await importing.run(roster)
    await asyncio.gather(*waiting)

    assert report.tables["terms"].changed == 2
    titles = {row["title"] for row in await importing.rows(tables.classes)}
    terms = {row["source_id"] for row in await importing.rows(tables.terms)}
    assert titles == ({"By the platform"} if write is put_class else {"By the file"})
    assert ("free" in terms) == (write is put_class)


def with_free_term() -> Roster:
    """A class in one term, and a term without a class."""
    roster = with_terms(a_school(), FIRST)
    roster.tables["academicSessions"].append(term("free", "term", "2026-01-01", "2026-02-01"))
    return roster


async def waits_for_a_lock(importing: Importing) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with importing.database.snapshot() as connection:
        return bool(await connection.scalar(text(waiting)))
