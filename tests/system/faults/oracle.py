"""The oracle: verifies that the database and Redis keep every promise, without using the product's code."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from redis.asyncio import Redis
from sqlalchemy import text

from adsum.batches.queue.ledger import MARKER
from adsum.events.webhooks.queue import queue_of_webhooks
from adsum.platform.redis.connection import open_redis, translated
from adsum.platform.redis.rates import RATES
from adsum.platform.retries import retry_forever
from tests.system.faults.event_oracle import find_event_defects, load_events
from tests.system.faults.installation import Installation

# An open run must end within this time after the last fault, plus the time for the backlog (invariant 5).
RECOVERY_S = 15.0
SWEEPS = 3
FIXED = ("meta", "id", "events", "stalled-check", "marker")


Rows: TypeAlias = tuple[dict[str, Any], list[Any], set[Any], set[Any]]
"""Runs by id, records, failures, and the changes of runs."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A response with status 202: this run was accepted with these marks."""

    batch_id: str
    run_id: str
    marks: dict[int, str] = field(default_factory=dict[int, str])


async def verify(installation: Installation, promises: Iterable[Promise] = (), *, within: float = RECOVERY_S) -> None:
    """Waits until no work is left, and asserts that nothing is lost, doubled, stuck or left over.

    Then sweeps three times, which must change nothing.
    """
    await wait_until_idle(installation, within)
    defects = await find_defects(installation, promises)
    assert not defects, "\n".join(defects[:20])
    before = await load_rows(installation), await load_events(installation)
    for _ in range(SWEEPS):
        for sweeper in installation.adsum.sweepers:
            assert await sweeper.sweep() == 0, "the sweeper found something left over"
    assert (await load_rows(installation), await load_events(installation)) == before, (
        "sweeping at rest changed something"
    )
    defects = await find_defects(installation, promises)
    assert not defects, "\n".join(defects[:20])


async def wait_until_idle(installation: Installation, within: float = RECOVERY_S) -> float:
    """Waits until no run is open and Redis holds no keys of runs. Returns the seconds that this took."""
    began = time.monotonic()
    while activity := await find_activity(installation):
        if time.monotonic() - began > within:
            raise AssertionError(f"not at rest after {within} s: {activity}")
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def find_activity(installation: Installation) -> list[str]:
    """Returns open runs; if there are none, keys of runs in Redis."""
    # The test's own connections may be to a server that has restarted.
    return await retry_forever(_open_runs, installation) or await retry_forever(_keys_of_runs, installation)


async def _keys_of_runs(installation: Installation) -> list[str]:
    """Returns leftover keys, without those of deliveries: a webhook may have something to deliver at any time."""
    queue = f":{queue_of_webhooks(installation.settings.queue_name)}:"
    return [key for key in await find_leftover_keys(installation) if queue not in key]


async def find_defects(installation: Installation, promises: Iterable[Promise] = ()) -> list[str]:
    """Returns a description of each defect."""
    promises = list(promises)
    runs, records, failures, changes = await load_rows(installation)
    found = [
        f"run {promise.run_id} was promised and is not there" for promise in promises if promise.run_id not in runs
    ]
    places = Counter((row["session_id"], row["learning_date"], row["student_id"]) for row in records)
    found += [f"{number} records of {place}" for place, number in places.items() if number > 1]
    found += [violation for promise in promises for violation in _validate_promise(promise, runs)]
    by_place = {(row["session_id"], row["learning_date"], row["student_id"]): row for row in records}
    for run in runs.values():
        found += _validate_run(run, by_place, failures, changes)
    for row in records:
        plan = _jobs(runs[row["run_id"]]) if row["run_id"] in runs else {}
        if row["student_id"] not in plan:
            found.append(f"a record of student {row['student_id']} that no run requested")
        elif row["version"] == 1 and plan[row["student_id"]]["status"] != row["status"]:
            found.append(f"student {row['student_id']} is recorded as {row['status']}, against the plan")
    run_ids = [promise.run_id for promise in promises]
    found += find_event_defects(await load_events(installation), run_ids, runs, records)
    found += [f"{key} is left in Redis" for key in await find_leftover_keys(installation)]
    return found


def _validate_promise(promise: Promise, runs: dict[str, Any]) -> list[str]:
    planned = {student: job["status"] for student, job in _jobs(runs.get(promise.run_id, {"plan": []})).items()}
    return [
        f"run {promise.run_id} lost the mark of student {student}"
        for student, status in promise.marks.items()
        if planned.get(student) != status
    ]


def _validate_run(run: Any, records: dict[Any, Any], failures: set[Any], changes: set[Any]) -> list[str]:
    """Counts the outcome of each job again, and compares the counts with the run's."""
    counted = Counter({"recorded": run["carried_recorded"], "cancelled": run["carried_cancelled"]})
    counted["skipped"] = run["carried_skipped"] + len(run["kept"])
    for student, job in _jobs(run).items():
        record = records.get((run["session_id"], run["learning_date"], student))
        counted[_outcome(run, student, job, record, failures, changes)] += 1
    reported = {name: run[f"{name}_jobs"] for name in ("recorded", "skipped", "failed", "cancelled")}
    wrong = {name: (counted[name], number) for name, number in reported.items() if counted[name] != number}
    violations = [f"run {run['run_id']} {run['state']}: counted and reported {wrong}"] if wrong else []
    if run["state"] == "open" or counted["pending"]:
        violations.append(f"run {run['run_id']} is {run['state']} with {counted['pending']} jobs pending")
    if sum(map(len, run["plan"])) != len(_jobs(run)):
        violations.append(f"run {run['run_id']} has a student twice")
    if run["total_jobs"] != counted.total():
        violations.append(f"run {run['run_id']}: {run['total_jobs']} jobs in all, {counted.total()} outcomes")
    return violations


def _outcome(run: Any, student: int, job: Any, record: Any, failures: set[Any], changes: set[Any]) -> str:
    expected = job.get("version")
    is_own = record is not None and (
        record["run_id"] == run["run_id"] if expected is None else (record["id"], run["run_id"]) in changes
    )
    if is_own:
        return "recorded"
    for code, outcome in (("cancelled", "cancelled"), (None, "failed")):
        if any(key in failures for key in ([(run["run_id"], student, code)] if code else [(run["run_id"], student)])):
            return outcome
    return "skipped" if record is not None and (expected is None or record["version"] > expected) else "pending"


def _jobs(run: Any) -> dict[int, Any]:
    return {job["student"]: job for chunk in run["plan"] for job in chunk}


async def find_leftover_keys(installation: Installation) -> list[str]:
    """Returns keys that an idle system does not have, and jobs in BullMQ's lists."""
    assert installation.settings.redis_url is not None
    shards, found = installation.adsum.shards, list[str]()
    for prefix in sorted({shard.key_prefix for shard in (shards.home, *shards)}):
        redis = open_redis(installation.settings.redis_url, connections=2, socket_timeout=5, key_prefix=prefix)
        try:
            with translated():
                found += await _find_leftovers(installation, redis, prefix)
        finally:
            await redis.aclose()
    return found


async def _find_leftovers(installation: Installation, redis: Redis, prefix: str) -> list[str]:
    keys: list[str] = [key async for key in redis.scan_iter(match=f"{prefix}*", count=1000)]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    own = installation.settings.queue_name
    baseline = {f"{prefix}bull:{queue}:{name}" for queue in (own, queue_of_webhooks(own)) for name in FIXED} | {
        f"{prefix}attendance-sweeper",
        f"{prefix}attendance-released-until",
    }
    ours = [key for key in keys if key not in baseline]
    lasting = [key for key in ours if key.removeprefix(prefix).startswith((MARKER, f"{RATES}:"))]
    return [key for key in ours if key not in lasting] + await _without_ttl(redis, lasting)


async def _without_ttl(redis: Redis, keys: list[str]) -> list[str]:
    """Returns the keys without a time to live."""
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.ttl(key)
        return [f"{key} (for ever)" for key, ttl in zip(keys, await pipe.execute(), strict=True) if ttl == -1]


async def _open_runs(installation: Installation) -> list[str]:
    async with installation.adsum.database.snapshot() as connection:
        rows = await connection.execute(text("SELECT run_id FROM batch_runs WHERE state = 'open'"))
        return [f"run {row[0]} is open" for row in rows]


def outcomes_of(rows: Rows) -> Generator[tuple[str, list[tuple[int, str, str | None]]]]:
    """Yields each run with its students, their outcomes, and the status of those that it recorded."""
    runs, records, failures, changes = rows
    by_place = {(row["session_id"], row["learning_date"], row["student_id"]): row for row in records}
    for run_id, run in runs.items():
        outcomes: list[tuple[int, str, str | None]] = [(student, "skipped", None) for student in run["kept"]]
        for student, job in _jobs(run).items():
            record = by_place.get((run["session_id"], run["learning_date"], student))
            outcome = _outcome(run, student, job, record, failures, changes)
            outcomes.append((student, outcome, job["status"] if outcome == "recorded" else None))
        yield run_id, outcomes


async def load_rows(installation: Installation) -> Rows:
    """Loads all runs, records, failures and changes."""
    async with installation.adsum.database.snapshot() as connection:
        if installation.adsum.database.is_postgres:
            # Loading two million records takes longer than the timeout of idle transactions.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        all_runs = (await connection.execute(text("SELECT * FROM batch_runs"))).mappings().all()
        all_records = (await connection.execute(text("SELECT * FROM attendances"))).mappings().all()
        failed = (await connection.execute(text("SELECT run_id, student_id, code FROM job_failures"))).all()
        changed = (await connection.execute(text("SELECT attendance_id, run_id FROM attendance_changes"))).all()
    runs, records = [dict(row) for row in all_runs], [dict(row) for row in all_records]
    for row in [*runs, *records]:
        row["run_id"] = str(row["run_id"])
        for name in {"plan", "kept"} & row.keys():
            row[name] = json.loads(row[name]) if isinstance(row[name], str) else row[name]
    failures = {(str(run), student) for run, student, _ in failed}
    failures |= {(str(run), student, code) for run, student, code in failed}
    return {row["run_id"]: row for row in runs}, records, failures, {(record, str(run)) for record, run in changed}
