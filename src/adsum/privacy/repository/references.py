"""The runs and the stored answers that name a student, and the locks on their schools."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Date, String, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.tables import batch_runs
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.columns import BigInt, Instant, Json, RunId
from adsum.platform.database.new_events import ABOUT_STUDENTS, EventType, announcements, events
from adsum.platform.database.sql_files import FileStatement, sql_file
from adsum.platform.ids import Batch
from adsum.privacy.rules import IsAbout, Row, is_about_student, parts_about, without_parts
from adsum.roster.repository.membership import schools_of_student
from adsum.roster.tables import students
from adsum.schools.locks import lock_school

STUDENT = {"student_id": BigInt}
"""The parameter of statements about a student."""
_RUN_COLUMNS = {
    "run_id": RunId,
    "learning_date": Date(),
    "class_id": BigInt,
    "session_id": BigInt,
    "accepted_at": Instant(),
    "plan": Json,
    "kept": Json,
}
_BATCH_COLUMNS = {"class_id": BigInt, "session_id": BigInt, "learning_date": Date()}
_ANSWER_COLUMNS = {
    "actor": String(),
    "key": String(),
    "created_at": Instant(),
    "answer": Json,
    "sourced_id": String(),
}
_REPLACE_IN_NEW_EVENTS = sql_file("adsum.privacy", "replace_in_new_events", parameters={"kept_id": BigInt})
_REPLACE_IN_EVENTS = sql_file("adsum.privacy", "replace_in_events", parameters={"kept_id": BigInt})
_RUNS = sql_file("adsum.privacy", "runs_with_student", parameters=STUDENT, returns=_RUN_COLUMNS)
_OPEN_RUNS = sql_file("adsum.privacy", "open_runs_with_student", parameters=STUDENT, returns=_BATCH_COLUMNS)
_ANSWERS = sql_file("adsum.privacy", "answers_with_student", parameters=STUDENT, returns=_ANSWER_COLUMNS)


async def rows_about(
    connection: AsyncConnection, statement: FileStatement, columns: Iterable[str], student_id: int
) -> list[dict[str, Any]]:
    """The rows of a statement about a student, with the names of its columns."""
    rows = await statement.fetch_all(connection, {"student_id": student_id})
    return [dict(zip(columns, row, strict=True)) for row in rows]


async def lock_schools_of(connection: AsyncConnection, student_ids: Collection[int]) -> None:
    """Locks the schools of students in the order of their ids. Taken before any lock on rows of the schools.

    Without it, a concurrent transaction that has read the student's records would add them to a summary.
    """
    of_students = {each for student_id in student_ids for each in await schools_of_student(connection, student_id)}
    for school_id in sorted(of_students):
        await lock_school(connection, school_id)


async def open_batches_with(connection: AsyncConnection, student_id: int) -> list[Batch]:
    """The batches whose open run names the student. Its plan is a promise and cannot be changed."""
    return [Batch(**row) for row in await rows_about(connection, _OPEN_RUNS, _BATCH_COLUMNS, student_id)]


async def runs_with_student(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    """The runs that name the student, with `run_id`, `plan` and `kept`."""
    return await rows_about(connection, _RUNS, _RUN_COLUMNS, student_id)


async def ids_of_students(connection: AsyncConnection, student_ids: Collection[int]) -> list[int]:
    """The ids of students, who are still stored, and of the records merged into them."""
    s = students.c
    query = select(s.id).where(or_(s.id.in_(student_ids), s.merged_into.in_(student_ids)))
    return list(await connection.scalars(query.order_by(s.id)))


async def replace_in_events(
    connection: AsyncConnection, student_ids: Collection[int], kept_id: int | None = None
) -> None:
    """Replaces ids of students in all events: by that of the kept student, or by null.

    It comes last in a transaction: if a student is in an event without an id, no event gets one until the end. Merged
    records are not looked for: see `ids_of_students`.
    """
    if not student_ids:
        return
    await _move_announcements(connection, student_ids, kept_id)
    values = {"student_ids": json.dumps(sorted(student_ids)), "kept_id": kept_id}
    newest = await connection.scalar(select(func.max(events.c.id))) or 0
    numbered = values | {"types": json.dumps(sorted(ABOUT_STUDENTS))}
    # The long part first: until the end of the transaction events wait for their ids that the second statement changes.
    await _REPLACE_IN_EVENTS.fetch_all(connection, numbered | {"after": 0})
    await _REPLACE_IN_NEW_EVENTS.fetch_all(connection, values)
    # Those that got an id meanwhile: the statement before has waited for the transaction that gave it.
    await _REPLACE_IN_EVENTS.fetch_all(connection, numbered | {"after": newest})


async def _move_announcements(connection: AsyncConnection, student_ids: Collection[int], kept_id: int | None) -> None:
    """Deletes what says that absences of students are announced, or makes it about the kept student."""
    c = announcements.c
    is_about_absence = c.type == EventType.STUDENT_UNEXPLAINED
    removed = delete(announcements).where(is_about_absence, c.subject_id.in_(student_ids)).returning(c.day)
    days = set(await connection.scalars(removed))
    if kept_id is not None:
        days -= set(await connection.scalars(select(c.day).where(is_about_absence, c.subject_id == kept_id)))
        rows = [{"type": EventType.STUDENT_UNEXPLAINED.value, "day": day, "subject_id": kept_id} for day in days]
        if rows:
            await connection.execute(insert(announcements), rows)


async def set_plans(connection: AsyncConnection, runs: Sequence[Mapping[str, Any]]) -> None:
    """Stores other plans of ended runs, each with `run_id`, `plan` and `kept`.

    Of a run that has ended, the position of a job in its chunk is no longer used.
    """
    changed = [{"of_run": run["run_id"], "plan": run["plan"], "kept": run["kept"]} for run in runs]
    if changed:
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == bindparam("of_run")), changed)


async def answers_with_student(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    """The stored responses that name the student, with `actor`, `key` and `answer`.

    `sourced_ids`: those of the student, and of merged records, by which they do.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in await rows_about(connection, _ANSWERS, _ANSWER_COLUMNS, student_id):
        answer = found.setdefault((row["actor"], row["key"]), row | {"sourced_ids": list[str | None]()})
        answer["sourced_ids"].append(row["sourced_id"])
    return list(found.values())


async def set_answers(connection: AsyncConnection, answers: Sequence[Mapping[str, Any]]) -> None:
    """Stores other responses, each with `actor`, `key` and `answer`."""
    c = idempotency_keys.c
    changed = [{"of_actor": row["actor"], "of_key": row["key"], "answer": row["answer"]} for row in answers]
    if changed:
        one = update(idempotency_keys).where(c.actor == bindparam("of_actor"), c.key == bindparam("of_key"))
        await connection.execute(one, changed)


async def remove_from_answer(connection: AsyncConnection, row: Row, is_about: IsAbout) -> None:
    """Removes a person from the lists of a stored answer. Deletes an answer that is only about this person.

    Args:
        connection: of an open transaction.
        row: with `actor`, `key` and `answer`.
        is_about: whether an object in the answer is about the person.
    """
    c = idempotency_keys.c
    of_row = c.actor == row["actor"], c.key == row["key"]
    answer = without_parts(row["answer"], is_about)
    if next(parts_about(answer, is_about), None) is None:
        await connection.execute(update(idempotency_keys).where(*of_row).values(answer=answer))
    else:
        await connection.execute(delete(idempotency_keys).where(*of_row))


def is_in_answer(row: Row, student_id: int) -> IsAbout:
    """Whether an object in an answer is about the student. `row`: of `answers_with_student`."""
    by_id = [partial(is_about_student, student_id, sourced_id) for sourced_id in row["sourced_ids"]]
    return lambda part: any(is_about(part) for is_about in by_id)
