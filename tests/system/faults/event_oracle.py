"""The oracle of events: verifies that the log has one event for each thing that happened, and no other.

It derives what happened from the rows of runs, records, changes and announcements.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import text

from adsum.platform.retries import retry_forever
from tests.system.faults.installation import Installation

Fact: TypeAlias = tuple[Any, ...]
"""The type of an event, and the ids of its subject."""

ENDED = ("batch.completed", "batch.completed_with_errors", "batch.cancelled")
CHANGED = ("attendance.corrected", "attendance.cleared")
TAKEN = "register.taken"
SHOWN = 10


class LoggedEvent(NamedTuple):
    """A row of the log."""

    id: int
    type: str
    school_id: int | None
    run_id: str | None
    data: Mapping[str, Any]


class EventRows(NamedTuple):
    """The log, its ends, and the rows that tell what happened besides those of runs and records."""

    log: Sequence[LoggedEvent]
    unnumbered: int
    ends: tuple[int, int]
    changes: Sequence[Fact]
    announcements: Sequence[Fact]
    class_sizes: Mapping[int, int]


async def load_events(installation: Installation) -> EventRows:
    """Numbers what is committed, announces the registers that are taken by it, and loads the log."""
    for step in (installation.adsum.event_numbering.number, installation.adsum.taken_registers.announce):
        await retry_forever(step)
    await retry_forever(installation.adsum.event_numbering.number)
    async with installation.adsum.database.snapshot() as connection:

        async def rows(statement: str) -> Sequence[Any]:
            return (await connection.execute(text(statement))).all()

        log = [_logged(*row) for row in await rows("SELECT id, type, school_id, run_id, data FROM events ORDER BY id")]
        unnumbered = len(await rows("SELECT id FROM new_events"))
        ends = [tuple(row) for row in await rows("SELECT last_id, pruned_id FROM event_log")]
        # Those of a batch are told by its end.
        changes = await rows("SELECT attendance_id, version, new_status FROM attendance_changes WHERE run_id IS NULL")
        announced = await rows(f"SELECT type, day, subject_id FROM announcements WHERE type <> '{TAKEN}'")
        sizes = await rows("SELECT class_id, count(DISTINCT student_id) FROM enrolments GROUP BY class_id")
    return EventRows(
        log,
        unnumbered,
        ends[0] if ends else (0, 0),
        [("attendance.cleared" if row[2] is None else "attendance.corrected", *row) for row in changes],
        [(row[0], str(row[1]), row[2]) for row in announced],
        dict(sizes),
    )


def _logged(event_id: int, kind: str, school_id: int | None, run_id: Any, data: Any) -> LoggedEvent:
    run = None if run_id is None else str(run_id)
    return LoggedEvent(event_id, kind, school_id, run, (json.loads(data) if isinstance(data, str) else data) or {})


def find_event_defects(
    events: EventRows, promised: Iterable[str], runs: Mapping[str, Any], records: Sequence[Any]
) -> list[str]:
    """Returns a description of each defect of the log. `promised`: the runs that the platform has answered with 202."""
    log = events.log
    found = [f"{events.unnumbered} events have no id"] * bool(events.unnumbered)
    found += [f"event {b.id} follows event {a.id}" for a, b in pairwise(log) if b.id != a.id + 1]
    if events.ends != (len(log), 0):
        found.append(f"the log has {len(log)} events and ends {events.ends}")
    told = Counter(_fact(event, runs) for event in log)
    happened = Counter(_happened(events, runs, records))
    found += [f"{told[fact]} events of {fact}, which happened {happened[fact]} times" for fact in told - happened]
    found += [f"{told[fact]} events of {fact}, which happened {happened[fact]} times" for fact in happened - told]
    accepted = {event.run_id for event in log if event.type == "batch.accepted"}
    found += [f"run {run_id} was promised and has no event" for run_id in promised if run_id not in accepted]
    found += [
        f"event {event.id} is about another school than run {event.run_id}"
        for event in log
        if event.run_id is not None and event.run_id in runs and event.school_id != runs[event.run_id]["school_id"]
    ]
    return [*found[:SHOWN], *list(_find_disorder(log, runs))[:SHOWN]]


def _fact(event: LoggedEvent, runs: Mapping[str, Any]) -> Fact:
    data = event.data
    if event.type == TAKEN:
        about = runs.get(event.run_id or "") or {
            "session_id": data.get("sessionId"),
            "learning_date": data.get("learningDate"),
        }
        return event.type, about["session_id"], str(about["learning_date"])
    if event.type in CHANGED:
        return event.type, data["attendanceId"], data["version"], data["status"]
    if event.run_id is not None:
        return event.type, event.run_id
    return event.type, data.get("learningDate"), data.get("sessionId") or data.get("studentId")


def _happened(events: EventRows, runs: Mapping[str, Any], records: Sequence[Any]) -> Generator[Fact]:
    for run_id, run in runs.items():
        yield "batch.accepted", run_id
        if run["state"] != "open":
            yield _type_of_end(run), run_id
    yield from events.changes
    yield from events.announcements
    marked = Counter(
        (row["class_id"], row["session_id"], str(row["learning_date"])) for row in records if row["status"] is not None
    )
    for (class_id, session_id, day), number in marked.items():
        if number == events.class_sizes[class_id]:
            yield TAKEN, session_id, day


def _type_of_end(run: Any) -> str:
    if run["state"] == "cancelled":
        return "batch.cancelled"
    return "batch.completed_with_errors" if run["failed_jobs"] else "batch.completed"


def _find_disorder(log: Sequence[LoggedEvent], runs: Mapping[str, Any]) -> Generator[str]:
    """A run ends before the next one of its batch is accepted, and the versions of a record follow each other."""
    steps: defaultdict[Fact, list[tuple[Fact, int]]] = defaultdict(list)
    for event in log:
        if event.type in CHANGED:
            steps[("record", event.data["attendanceId"])].append(((event.data["version"],), event.id))
        elif event.run_id is not None and event.run_id in runs and event.type != TAKEN:
            run = runs[event.run_id]
            batch = ("batch", run["session_id"], str(run["learning_date"]))
            steps[batch].append(((run["number"], event.type in ENDED), event.id))
    for subject, those in steps.items():
        if sorted(those) != those:
            yield f"the events of {subject} are in the order {those}"
