"""Results of the parts, stored in docs/reliability.json and rendered in docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[4] / "docs"
RESULTS = DOCS / "reliability.json"
PAGE = DOCS / "reliability.md"

PREFACE = """# Reliability: results of the fault tests

`./adsum chaos` writes this page. It kills, freezes and restarts workers and the API, and kills, freezes, restarts and
empties Valkey and Postgres (`fsync` and `synchronous_commit` on), while classes of 30 are marked continuously. Part
`sqlite` is `mixed` on SQLite. Three receivers of webhooks and two readers of the feed listen all the time. Two of the
receivers fail again and again: they are slow or dead, answer 500 or 429, or close the connection. The readers are
restarted at random times with the cursor that they have stored.

Faults of workers in `kills`, `freezes` and `mixed` are aimed at the steps of a chunk, each as often as the others, and
are injected before or after the server has executed it: BullMQ's fetch, the renewal of the lock of a message, the
statements that record, update and close, the scripts that settle and release, and BullMQ's finish. The figures `at
fetch` to `at finish` are the faults that met each step in a worker that had a chunk; a result without them is from
before, when faults were at any step of a worker, or at any time. Every class is also corrected, since only corrections
update, settle and close in steps of their own. A kill has recovered when another worker has finished each message that
the killed worker had, and its batch is released.

At the end of each part an oracle, which shares no code with the product, compares every promise, every record, every
count, every event and every key in Redis, sweeps three times, and compares again. It derives from the rows what
happened: the log has one event of each thing and no other, the feed has each event exactly once and in its order, and
each receiver took each of its events at least once, correctly signed, with the content of the feed, and in their order
unless that is switched off. A part fails if anything is lost, doubled, stuck or left over. Faults that interrupted no
work are not counted.

| Part | Goal | Measured | Seed | Duration | |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one run of a part. `figures` are shown in their order."""

    part: str
    goal: str
    seed: int
    seconds: float
    reached: bool
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


def add(result: Result) -> None:
    """Stores a result, replacing an older one of the same part and seed, and rewrites the page."""
    older: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    others = [each for each in older if (each["part"], each["seed"]) != (result.part, result.seed)]
    now = {"when": datetime.now(UTC).isoformat(timespec="minutes"), "machine": machine()}
    results = sorted([*others, asdict(result) | now], key=lambda each: (each["part"], each["seed"]))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(PREFACE + "".join(_row(each) for each in results) + _machines(results), encoding="utf-8")


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _row(result: dict[str, Any]) -> str:
    figures = "; ".join(f"{name} {number}" for name, number in result["figures"].items())
    reached = "reached" if result["reached"] else "**missed**"
    cells = (result["part"], result["goal"], figures, result["seed"], f"{result['seconds']:.0f} s", reached)
    return f"| {' | '.join(map(str, cells))} |\n"


def _machines(results: list[dict[str, Any]]) -> str:
    machines = "; ".join(sorted({each["machine"] for each in results}))
    first, last = min(each["when"] for each in results), max(each["when"] for each in results)
    return f"\nOn: {machines}. From {first} to {last}.\n"
