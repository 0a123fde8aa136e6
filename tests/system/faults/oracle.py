"""The oracle: whether what is in the database and in Redis keeps every promise, computed without the product's code."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from adsum.platform.redis.connection import open_redis, translated
from adsum.platform.retries import retry_forever
from tests.system.faults.installation import Installation

# An open run has to end within this after the last fault, plus the time that its backlog needs (invariant 5).
RECOVERY_S = 15.0
SWEEPS = 3
FIXED = ("meta", "id", "events", "stalled-check", "marker")


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer 202: this run, with these marks, was accepted."""

    batch_id: str
    run_id: str
    marks: dict[int, str] = field(default_factory=dict[int, str])


async def judge(installation: Installation, promises: Iterable[Promise] = (), *, within: float = RECOVERY_S) -> None:
    """Waits until everything has come to rest, and asserts that nothing is lost, doubled, stuck or left over.

    Then sweeps three times: whoever is at rest has nothing to be swept.
    """
    await at_rest(installation, within)
    defects = await defects_of(installation, promises)
    assert not defects, "\n".join(defects[:20])
    before = await _rows(installation)
    for _ in range(SWEEPS):
        assert await installation.adsum.sweeper.sweep() == 0, "the sweeper found something left over"
    assert await _rows(installation) == before, "sweeping at rest changed something"
    defects = await defects_of(installation, promises)
    assert not defects, "\n".join(defects[:20])


async def at_rest(installation: Installation, within: float = RECOVERY_S) -> float:
    """Waits until no run is open and Redis holds nothing of any; returns the seconds that this took."""
    began = time.monotonic()
    while restless := await stirring(installation):
        if time.monotonic() - began > within:
            raise AssertionError(f"not at rest after {within} s: {restless}")
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def stirring(installation: Installation) -> list[str]:
    """Everything that is not at rest: open runs, or else their keys in Redis."""
    # A connection of this test, too, may be to a server that has restarted since.
    return await retry_forever(_open_runs, installation) or await retry_forever(left_in_redis, installation)


async def defects_of(installation: Installation, promises: Iterable[Promise] = ()) -> list[str]:
    """Everything that is wrong, in words."""
    runs, records, failures, changes = await _rows(installation)
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
            found.append(f"a record of student {row['student_id']} that no run asked for")
        elif row["version"] == 1 and plan[row["student_id"]]["status"] != row["status"]:
            found.append(f"student {row['student_id']} is recorded as {row['status']}, against the plan")
    found += [f"{key} is left in Redis" for key in await left_in_redis(installation)]
    return found


def _validate_promise(promise: Promise, runs: dict[str, Any]) -> list[str]:
    planned = {student: job["status"] for student, job in _jobs(runs.get(promise.run_id, {"plan": []})).items()}
    return [
        f"run {promise.run_id} lost the mark of student {student}"
        for student, status in promise.marks.items()
        if planned.get(student) != status
    ]


def _validate_run(run: Any, records: dict[Any, Any], failures: set[Any], changes: set[Any]) -> list[str]:
    """Counts each job's outcome once more, and compares it with what the run says of itself."""
    counted = Counter({"recorded": run["carried_recorded"], "cancelled": run["carried_cancelled"]})
    counted["skipped"] = run["carried_skipped"] + len(run["kept"])
    for student, job in _jobs(run).items():
        record = records.get((run["session_id"], run["learning_date"], student))
        counted[_outcome(run, student, job, record, failures, changes)] += 1
    said = {name: run[f"{name}_jobs"] for name in ("recorded", "skipped", "failed", "cancelled")}
    wrong = {name: (counted[name], number) for name, number in said.items() if counted[name] != number}
    violations = [f"run {run['run_id']} {run['state']}: counted and said {wrong}"] if wrong else []
    if run["state"] == "open" or counted["pending"]:
        violations.append(f"run {run['run_id']} is {run['state']} with {counted['pending']} jobs pending")
    if sum(map(len, run["plan"])) != len(_jobs(run)):
        violations.append(f"run {run['run_id']} has a student twice")
    if run["total_jobs"] != counted.total():
        violations.append(f"run {run['run_id']}: {run['total_jobs']} jobs in all, {counted.total()} outcomes")
    return violations


def _outcome(run: Any, student: int, job: Any, record: Any, failures: set[Any], changes: set[Any]) -> str:
    seen = job.get("version")
    is_own = record is not None and (
        record["run_id"] == run["run_id"] if seen is None else (record["id"], run["run_id"]) in changes
    )
    if is_own:
        return "recorded"
    for code, outcome in (("cancelled", "cancelled"), (None, "failed")):
        if any(key in failures for key in ([(run["run_id"], student, code)] if code else [(run["run_id"], student)])):
            return outcome
    return "skipped" if record is not None and (seen is None or record["version"] > seen) else "pending"


def _jobs(run: Any) -> dict[int, Any]:
    return {job["student"]: job for chunk in run["plan"] for job in chunk}


async def left_in_redis(installation: Installation) -> list[str]:
    """Keys that a system at rest has not, and jobs in any of BullMQ's lists."""
    assert installation.settings.redis_url is not None
    redis = open_redis(installation.settings.redis_url, connections=2, socket_timeout=5)
    try:
        with translated():
            return await _left(installation, redis)
    finally:
        await redis.aclose()


async def _left(installation: Installation, redis: Redis) -> list[str]:
    prefix = installation.settings.key_prefix
    keys: list[str] = [key async for key in redis.scan_iter(match=f"{prefix}*", count=1000)]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    baseline = {f"{prefix}bull:{installation.settings.queue_name}:{name}" for name in FIXED} | {
        f"{prefix}attendance-sweeper"
    }
    ours = [key for key in keys if key not in baseline]
    lasting = [key for key in ours if key.removeprefix(prefix).startswith("batch-completed:")]
    return [key for key in ours if key not in lasting] + await _without_end(redis, lasting)


async def _without_end(redis: Redis, keys: list[str]) -> list[str]:
    """Keys of ours that have no time to live: each must have one."""
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.ttl(key)
        return [f"{key} (for ever)" for key, ttl in zip(keys, await pipe.execute(), strict=True) if ttl == -1]


async def _open_runs(installation: Installation) -> list[str]:
    async with installation.adsum.database.snapshot() as connection:
        rows = await connection.execute(text("SELECT run_id FROM batch_runs WHERE state = 'open'"))
        return [f"run {row[0]} is open" for row in rows]


async def _rows(installation: Installation) -> tuple[dict[str, Any], list[Any], set[Any], set[Any]]:
    async with installation.adsum.database.snapshot() as connection:
        if installation.adsum.database.is_postgres:
            # Two million records keep this process busy for longer than a transaction may idle.
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
