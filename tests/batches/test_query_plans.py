"""Queries for progress and details read no whole table, according to SQLite's query plans."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date
from typing import Any

import pytest

from adsum.accounts.access import Role
from adsum.batches.repository import jobs, tallies
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.listing import is_run_of, list_jobs, list_submitted, runs_of_batch
from adsum.batches.rules import BatchFilters, BatchState, BatchStatus, Outcome, RunState, Tally
from adsum.platform.database.engine import Database, open_database
from adsum.platform.ids import Batch
from tests.support.runs import ACCEPTED_AT
from tests.support.schools import RUN_ID, caller
from tests.support.statements import Ask, plans_of, scanned

DAY = date(2024, 12, 25)
BATCHES = [Batch(1, session, day) for session in (1, 2, 3) for day in (DAY, date(2024, 12, 24))]
STATUS = BatchStatus(BATCHES[0].id, RUN_ID, 1, RunState.OPEN, Tally(), ACCEPTED_AT, None)
# With the aliases of the statements.
TABLES = {"batch_runs", "r", "attendances", "a", "attendance_changes", "c", "job_failures", "f", "enrolments", "e"}


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


STUDENTS: dict[str, Any] = {"batch": BATCHES[0], "run_id": RUN_ID, "limit": 51}
ASKED: dict[str, Ask] = {
    "newest": lambda connection: tallies.newest_statuses(connection, BATCHES),
    "newest of one": lambda connection: tallies.newest_statuses(connection, BATCHES[:1]),
    "runs": lambda connection: runs_of_batch(connection, BATCHES[0], STATUS, 100),
    "is run": lambda connection: is_run_of(connection, BATCHES[0], RUN_ID),
    "students": lambda connection: list_jobs(connection, **STUDENTS, alone=False, outcome=None, after=0),
    "failed": lambda connection: list_jobs(connection, **STUDENTS, alone=True, outcome=Outcome.FAILED, after=7),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_queries_for_progress_and_details_use_indexes(sqlite: Database, ask: Ask) -> None:
    plans = await plans_of(sqlite, ask)
    assert plans
    for plan in plans:
        assert any(line.startswith("SEARCH") for line in plan), plan
        assert not scanned(plan) & TABLES, plan


async def test_a_plan_is_expanded_once_per_statement(sqlite: Database) -> None:
    """Expanding it per record takes seconds for 10,000 students, during which SQLite allows no other writer."""
    plans = await plans_of(sqlite, lambda connection: jobs.update_records(connection, [JobSlice(RUN_ID, 0)]))
    assert len(plans) == 2
    for plan in plans:
        unfolded = next(i for i, line in enumerate(plan) if line.startswith("SCAN entry "))
        looked_up = next(i for i, line in enumerate(plan) if line.startswith("SEARCH a "))
        assert unfolded < looked_up, plan
        assert "student_id=?" in plan[looked_up]
        assert not scanned(plan) & TABLES, plan


@pytest.mark.parametrize("state", [None, BatchState.PROCESSING, BatchState.COMPLETED_WITH_ERRORS])
async def test_the_submissions_of_a_user_are_found_by_their_index(database: Database, state: BatchState | None) -> None:
    """Otherwise the page of a teacher reads the runs of everybody every two seconds."""
    teacher, filters = caller(Role.TEACHER, 1, 7), BatchFilters(submitted_by=7, state=state)
    plans = await plans_of(database, lambda connection: list_submitted(connection, teacher, filters, None, 51))
    assert len(plans) == 2
    for plan in plans:
        assert any("ix_batch_runs_submitted" in line for line in plan), plan
        if not database.is_postgres:
            assert not scanned(plan) & (TABLES | {"own", "run", "newer"}), plan
