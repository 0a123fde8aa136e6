"""Fixtures for live progress: services, a class of 30, and a run whose progress the test controls."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import pytest

from adsum.batches.repository import jobs, runs
from adsum.batches.run import Run
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.wiring import Adsum
from tests.batches.progress.rounds import Rounds, counted_rounds
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import SchoolIds


@dataclass
class MovingRun:
    """A run of three messages of ten students, written to the database: no queue, no Redis, no worker."""

    database: Database
    run: Run

    @property
    def batch(self) -> Batch:
        return self.run.batch

    async def record(self, chunk: int) -> None:
        async with self.database.transaction() as connection:
            await jobs.insert_records(connection, [slices(self.run)[chunk]])

    async def close(self) -> None:
        async with self.database.transaction() as connection:
            assert await runs.close_runs(connection, [self.run.run_id], LATER)

    async def cancel(self) -> None:
        async with self.database.transaction() as connection:
            assert await runs.cancel_run(connection, self.run, LATER) is not None


async def begin_run(database: Database, school: SchoolIds) -> MovingRun:
    async with database.transaction() as connection:
        return MovingRun(database, await make_run(connection, school, inserts(school.student_ids), chunk_size=10))


@pytest.fixture
async def moving(adsum: Adsum, school: SchoolIds) -> MovingRun:
    return await begin_run(adsum.database, school)


@pytest.fixture
def rounds(adsum: Adsum) -> Generator[Rounds]:
    with counted_rounds(adsum.database) as counted:
        yield counted
