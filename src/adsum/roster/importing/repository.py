"""Setting the roster to what was staged: new rows in, and changed rows changed.

A statement is about a slice of the file's rows, so that none of a million runs into the time limit of a statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import class_teachers, users
from adsum.roster.importing.staging import Staged, import_classes, import_enrolments, import_students, import_teachers
from adsum.roster.tables import classes, enrolments, students

SLICE = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One real table and the staged one that it is set to.

    Attributes:
        table: real; a row is known by its owner (school or class) and its source id.
        staged: with the columns `owner`, `source_id`, `compared`, and `fixed`.
        owner: name of the owner's column.
        compared: columns that the file sets whenever they differ.
        fixed: columns that the file sets once.
        constants: what a row has when the file has it.
        initial: what a new row has besides.
    """

    table: Table
    staged: Table
    owner: str
    compared: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    initial: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def same(self, staged: Table) -> ColumnElement[bool]:
        return and_(staged.c.source_id == self.table.c.source_id, staged.c[self.owner] == self.table.c[self.owner])

    def is_present(self, staged: Table) -> ColumnElement[bool]:
        """Of the staged rows those that this table is to have."""
        return and_(staged.c.state == Staged.ACTIVE.value, *(staged.c[name].is_not(None) for name in self.fixed))


STUDENTS = Kind(
    students, import_students, "school_id", ("given_name", "family_name", "grade"), constants={"active": True}
)
TEACHERS = Kind(users, import_teachers, "school_id", ("given_name", "family_name"), initial={"role": "teacher"})
CLASSES = Kind(classes, import_classes, "school_id", ("title", "code"), constants={"active": True})
ENROLMENTS = Kind(enrolments, import_enrolments, "class_id", ("begin_date", "end_date"), fixed=("student_id",))
TEACHINGS = Kind(class_teachers, import_enrolments, "class_id", ("begin_date", "end_date"), fixed=("user_id",))


async def count_present(connection: AsyncConnection, kind: Kind) -> int:
    """How many rows of the file are fine, counted once for each school."""
    return await connection.scalar(select(func.count()).where(kind.is_present(kind.staged))) or 0


async def last_row(connection: AsyncConnection, kind: Kind) -> int:
    """Of the file, where the slices end; 0 where there is none."""
    return await connection.scalar(select(func.max(kind.staged.c.row))) or 0


async def add_new(connection: AsyncConnection, kind: Kind, start: int) -> int:
    """Adds those of a slice of file rows that are not known yet; how many. In the file's order, as ids go."""
    staged = kind.staged
    copied = [kind.owner, "source_id", *kind.fixed, *kind.compared]
    given = {**kind.constants, **kind.initial}
    wanted = (
        select(*(staged.c[name] for name in copied), *(literal(value) for value in given.values()))
        .where(_in_slice(staged, start), kind.is_present(staged), not_(exists().where(kind.same(staged))))
        .order_by(staged.c.row, staged.c[kind.owner])
    )
    return (await connection.execute(insert(kind.table).from_select([*copied, *given], wanted))).rowcount


async def change_differing(connection: AsyncConnection, kind: Kind, start: int) -> int:
    """Changes what is known and differs, of a slice of file rows; who comes back is active again. How many."""
    table, staged = kind.table, kind.staged
    differs = [
        *(table.c[name].is_distinct_from(staged.c[name]) for name in kind.compared),
        *(table.c[name] != value for name, value in kind.constants.items()),
    ]
    statement = (
        update(table)
        .values({**{name: staged.c[name] for name in kind.compared}, **kind.constants})
        .where(_in_slice(staged, start), kind.is_present(staged), kind.same(staged), or_(*differs))
    )
    return (await connection.execute(statement)).rowcount


async def reassigned(connection: AsyncConnection, kind: Kind) -> list[int]:
    """Rows of the file whose sourcedId is another person's enrolment in the same class."""
    person = kind.fixed[0]
    statement = (
        select(kind.staged.c.row)
        .join(kind.table, kind.same(kind.staged))
        .where(kind.is_present(kind.staged), kind.staged.c[person] != kind.table.c[person])
        .order_by(kind.staged.c.row)
    )
    return list((await connection.scalars(statement)).all())


def _in_slice(staged: Table, start: int) -> ColumnElement[bool]:
    return and_(staged.c.row >= start, staged.c.row < start + SLICE)
