"""Tests the benchmark's checks: each fails on wrong data."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adsum.platform.redis.rates import RATES
from benchmarks.__main__ import run_case, select_cases
from benchmarks.cases import Case, Setup
from benchmarks.checks import Query, have_markers, key_violations, row_violations, run_violations
from benchmarks.figures import Figures
from benchmarks.servers import Servers
from benchmarks.sizes import QUICK
from benchmarks.table import blocks
from benchmarks.timetable import Timetable
from tests.support.servers.postgres import Postgres

TABLES = """
    CREATE TABLE attendances (session_id, learning_date, student_id);
    CREATE TABLE batch_runs (state, recorded_jobs, total_jobs);
"""


@pytest.fixture
def timetable() -> Timetable:
    made = Timetable(classes=3, big=100)
    made.take(2)
    made.take_big()
    return made


@pytest.fixture
def database(timetable: Timetable) -> sqlite3.Connection:
    """A database with the expected rows."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    for batch in timetable.batches:
        rows = [(batch.session_id, str(batch.learning_date), student) for student in timetable.students(batch)]
        connection.executemany("INSERT INTO attendances VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO batch_runs VALUES ('closed', ?, ?)", (len(rows), len(rows)))
    return connection


def query_on(connection: sqlite3.Connection) -> Query:
    async def query(statement: str) -> Sequence[Sequence[Any]]:
        return connection.execute(statement).fetchall()

    return query


async def test_no_violation_is_found_if_every_row_exists_once(
    database: sqlite3.Connection, timetable: Timetable
) -> None:
    assert await row_violations(query_on(database), timetable) == []
    assert await run_violations(query_on(database), timetable) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM attendances WHERE student_id = 31",
        "INSERT INTO attendances SELECT * FROM attendances WHERE student_id = 31",
        "UPDATE attendances SET student_id = 999 WHERE student_id = 59",
        "INSERT INTO attendances VALUES (3, '2024-12-25', 90)",
    ],
)
async def test_a_missing_doubled_wrong_or_unexpected_row_is_found(
    database: sqlite3.Connection, timetable: Timetable, damage: str
) -> None:
    database.execute(damage)
    assert len(await row_violations(query_on(database), timetable)) == 1


@pytest.mark.parametrize(
    "damage",
    ["UPDATE batch_runs SET state = 'open' WHERE rowid = 1", "UPDATE batch_runs SET recorded_jobs = recorded_jobs - 1"],
)
async def test_an_open_run_and_a_run_with_wrong_counts_are_found(
    database: sqlite3.Connection, timetable: Timetable, damage: str
) -> None:
    database.execute(damage)
    assert await run_violations(query_on(database), timetable)


async def test_a_leftover_key_and_a_missing_marker_are_found(redis_url: str, timetable: Timetable) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:  # pyright: ignore[reportUnknownMemberType]
        first, *others = timetable.batches
        for batch in others:
            await redis.set(f"batch-completed:{batch.id}", 1)
        await redis.set("attendance-batch-lock:x", 1)
        await redis.set("kept", 1)
        await redis.set(f"{RATES}:user/1/60", 1)

        assert not await have_markers(redis, timetable)
        assert await key_violations(redis, timetable, ["kept"]) == [
            "attendance-batch-lock:x is left in Redis",
            f"batch-completed:{first.id} is not in Redis",
        ]


def test_a_ratio_compares_the_same_rounds() -> None:
    figures = Figures()
    for number, (ours, theirs) in enumerate([(10, 5), (40, 10), (9, 3)]):
        figures.add(number, "adsum", {"worker": ours})
        figures.add(number, "seed", {"worker": theirs})
    figures.add(3, "adsum", {"worker": 1000})

    assert figures.ratio("worker", "adsum", "seed") == 3
    assert figures.are_valid


async def test_one_violation_in_one_round_makes_the_line_void_and_the_run_fail(tmp_path: Path) -> None:
    figures = Figures()
    setup = Setup(Servers(Postgres(tmp_path, tmp_path), tmp_path), QUICK)

    async def wrong(_: Setup) -> tuple[dict[str, float], list[str]]:
        return {"worker": 99_999.0}, ["a row is missing"]

    async def broken(_: Setup) -> tuple[dict[str, float], list[str]]:
        raise ConnectionError("it died")

    figures.add(0, "adsum", {"worker": 5.0})
    await run_case(Case("worker", "seed", wrong, ["worker"]), setup, figures, 0, 2)
    await run_case(Case("worker", "taskiq", broken, ["worker"]), setup, figures, 0, 2)
    figures.add(1, "seed", {"worker": 5.0})

    assert not figures.are_valid
    assert figures.ratio("worker", "adsum", "seed") is None
    (block,) = blocks(figures)
    assert [line[1:3] for line in block.lines] == [
        ("5", ""),
        ("void", "a row is missing"),
        ("void", "ConnectionError: it died"),
    ]


def test_scenarios_and_systems_can_be_selected() -> None:
    assert {case.scenario for case in select_cases(["http"])} == {"http"}
    assert [(case.scenario, case.system) for case in select_cases(["worker", "seed"])] == [("worker", "seed")]
    assert len({case.system for case in select_cases([])}) == 9
