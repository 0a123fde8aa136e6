"""Statements that put the records of a school year back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absences
from adsum.accounts.tables import api_keys, users
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.privacy.retention.repository.deletions import without_texts
from adsum.privacy.tables import student_merges
from adsum.privacy.years.repository.archived import NAMED
from adsum.privacy.years.restored_rows import Present, Row
from adsum.roster.tables import is_student, named_student_id, students
from adsum.schools.tables import schools

RESTORED = {"attendances": attendances, "attendance_changes": attendance_changes, "disputed_marks": contradictions}
"""The tables whose rows are put back, by their files in an archive."""

IDS_AT_ONCE = 5000
# Of a double record in an archive; the others are as in `student_merges.resolved`.
_OF_MERGE = {"merge_id", "school_id", "student_id", "removed_id", "merged_at"}


@dataclass(slots=True)
class Conflicts:
    """The ids of rows of an archive beside which others exist."""

    records: set[int] = field(default_factory=set[int])
    changes: set[int] = field(default_factory=set[int])
    disputed_marks: set[int] = field(default_factory=set[int])


async def present_of(
    connection: AsyncConnection, student_ids: Collection[int], first: date, end: date, notes_from: Mapping[int, date]
) -> Present:
    """The rows that exist of those that records of these days may name."""
    s, a, named = students.c, absences.c, dict[int, int]()
    for ids in _parts(student_ids):
        rows = await connection.execute(select(s.id, named_student_id).where(s.id.in_(ids)))
        named.update({row[0]: row[1] for row in rows})
    of_days = select(a.id).where(a.first_day < end, a.last_day >= first)
    return Present(
        named,
        users=frozenset(await connection.scalars(select(users.c.id))),
        keys=frozenset(await connection.scalars(select(api_keys.c.id))),
        absences=frozenset(await connection.scalars(of_days)),
        notes_from=notes_from,
    )


async def missing_of(connection: AsyncConnection, name: str, ids: Collection[int]) -> list[int]:
    """The ids of a table of `NAMED` that do not exist."""
    table, found = NAMED[name], set[int]()
    for some in _parts(ids):
        found.update(await connection.scalars(select(table.c.id).where(table.c.id.in_(some))))
    return sorted(set(ids) - found)


async def lock_students(connection: AsyncConnection, student_ids: Collection[int]) -> bool:
    """Prevents that these students are erased or merged until the transaction ends. False: one of them is gone."""
    ids = set(student_ids)
    found = select(students.c.id).where(students.c.id.in_(ids), is_student).order_by(students.c.id)
    return set(await connection.scalars(found.with_for_update(read=True, key_share=True))) == ids


async def find_conflicts(
    connection: AsyncConnection, records: Sequence[Row], changes: Sequence[Row], conflicts: Conflicts
) -> None:
    """Adds rows that exist and differ, and records whose session, day and student another record has."""
    a = attendances.c
    found = await _existing(connection, attendances, records)
    conflicts.records.update(row["id"] for row in records if _differs(row, found.get(row["id"])))
    school_ids, days = {row["school_id"] for row in records}, {row["learning_date"] for row in records}
    places = select(a.session_id, a.learning_date, a.student_id, a.id)
    of_days = places.where(a.school_id.in_(school_ids), a.learning_date.in_(days))
    taken = {(row[0], row[1], row[2]): row[3] for row in await connection.execute(of_days)}
    conflicts.records.update(row["id"] for row in records if taken.get(place_of(row), row["id"]) != row["id"])
    known = {(row["attendance_id"], row["version"]): row for row in await _changes_of(connection, found)}
    conflicts.changes.update(
        row["attendance_id"] for row in changes if _differs(row, known.get((row["attendance_id"], row["version"])))
    )


async def find_disputed(connection: AsyncConnection, rows: Sequence[Row], conflicts: Conflicts) -> None:
    """Adds disputed marks that exist and differ, and those beside which another one has their place."""
    c = contradictions.c
    found = await _existing(connection, contradictions, rows)
    days = select(c.session_id, c.learning_date, c.student_id, c.id)
    of_days = days.where(c.learning_date.in_({row["learning_date"] for row in rows}))
    taken = {(row[0], row[1], row[2]): row[3] for row in await connection.execute(of_days)}
    for row in rows:
        if _differs(row, found.get(row["id"])) or taken.get(place_of(row), row["id"]) != row["id"]:
            conflicts.disputed_marks.add(row["id"])


async def add_records(connection: AsyncConnection, records: Sequence[Row], changes: Sequence[Row]) -> int:
    """Inserts the records that do not exist, with their changes. Returns their number."""
    found = await _existing(connection, attendances, records)
    known = {(row["attendance_id"], row["version"]) for row in await _changes_of(connection, found)}
    new = [row for row in records if row["id"] not in found]
    await _insert(connection, attendances, new)
    missing = [row for row in changes if (row["attendance_id"], row["version"]) not in known]
    await _insert(connection, attendance_changes, missing)
    return len(new)


async def add_disputed(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Inserts the disputed marks that do not exist."""
    found = await _existing(connection, contradictions, rows)
    await _insert(connection, contradictions, [row for row in rows if row["id"] not in found])


async def add_doubles(connection: AsyncConnection, rows: Iterable[Mapping[str, Any]], present: Present) -> None:
    """Puts double records back into the merges that still exist, each once, in the order of their days."""
    m, by_merge = student_merges.c, dict[int, list[Mapping[str, Any]]]()
    for row in rows:
        double = {name: value for name, value in row.items() if name not in _OF_MERGE}
        keeps = present.keeps_texts(row["school_id"], date.fromisoformat(row["learning_date"]))
        by_merge.setdefault(row["merge_id"], []).append(double if keeps else without_texts(double))
    for merge_id, doubles in sorted(by_merge.items()):
        resolved = await connection.scalar(select(m.resolved).where(m.id == merge_id).with_for_update())
        if resolved is not None:
            places = {(each["learning_date"], each["session_id"]) for each in resolved}
            new = [each for each in doubles if (each["learning_date"], each["session_id"]) not in places]
            both = sorted([*new, *resolved], key=lambda each: each["learning_date"])
            await connection.execute(update(student_merges).where(m.id == merge_id).values(resolved=both))


async def reopen(connection: AsyncConnection, school_id: int, first: date) -> None:
    """Lets the days of a school from this one on be corrected and reported again. The school has to be locked."""
    await connection.execute(update(schools).where(schools.c.id == school_id).values(records_from=first))


def place_of(row: Row) -> tuple[int, date, int]:
    """The session, the day and the student of a record, which no other one has."""
    return row["session_id"], row["learning_date"], row["student_id"]


async def _existing(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> dict[int, Mapping[str, Any]]:
    """The rows of a table with the ids of these."""
    found = await connection.execute(select(table).where(table.c.id.in_([row["id"] for row in rows])))
    return {row["id"]: dict(row) for row in found.mappings()}


async def _changes_of(connection: AsyncConnection, records: Collection[int]) -> Sequence[Mapping[str, Any]]:
    c = attendance_changes.c
    found = await connection.execute(select(attendance_changes).where(c.attendance_id.in_(records)))
    return [dict(row) for row in found.mappings()]


async def _insert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(insert(table), rows)


def _differs(row: Row, other: Mapping[str, Any] | None) -> bool:
    return other is not None and any(other[name] != value for name, value in row.items())


def _parts(ids: Collection[int]) -> Iterable[Sequence[int]]:
    ordered = sorted(ids)
    return [ordered[i : i + IDS_AT_ONCE] for i in range(0, len(ordered), IDS_AT_ONCE)]
