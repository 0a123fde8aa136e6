"""Applies staged rows to the roster: inserts new rows, updates changed ones, ends missing ones.

Each statement handles a slice of the rows of a file, so that a large file does not exceed the statement timeout.
The statements are built once and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Insert,
    ScalarSelect,
    Select,
    Table,
    Update,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import class_teachers, users
from adsum.platform.database.search import SEARCH_TEXT
from adsum.platform.days import Span
from adsum.roster.importing.rules import STUDENT_CELLS, Staged
from adsum.roster.importing.tables import (
    import_classes,
    import_elsewhere,
    import_enrolments,
    import_leavers,
    import_schools,
    import_students,
    import_teachers,
)
from adsum.roster.tables import classes, enrolments, student_schools, students

SLICE = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class ImportTable:
    """A table of the roster and the staged table that is applied to it.

    Attributes:
        table: of the roster; its key is the owner (school or class) and the source id.
        staged: with the columns `owner`, `source_id`, `compared`, and `fixed`.
        owner: name of the owner's column.
        compared: columns that are updated if they differ.
        counted: columns whose change raises the counter column that is their value.
        is_new: a further condition on staged rows that are inserted.
        optional: as `compared`, but NULL in the file keeps the value; with the value of a new row for NULL.
        fixed: columns that are set on insert only.
        constants: values of every row that is in the file.
        initial: further values of a new row.
    """

    table: Table
    staged: Table
    owner: str
    compared: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    initial: Mapping[str, Any] = field(default_factory=dict[str, Any])
    optional: Mapping[str, Any] = field(default_factory=dict[str, Any])
    counted: Mapping[str, str] = field(default_factory=dict[str, str])
    is_new: ColumnElement[bool] = field(default_factory=true)

    def same(self, staged: Table) -> ColumnElement[bool]:
        return and_(staged.c.source_id == self.table.c.source_id, staged.c[self.owner] == self.table.c[self.owner])

    def is_present(self, staged: Table) -> ColumnElement[bool]:
        """Staged rows that belong in this table."""
        return and_(staged.c.state == Staged.ACTIVE.value, *(staged.c[name].is_not(None) for name in self.fixed))


def _is_new_student() -> ColumnElement[bool]:
    """Listed students whom no school of the import has. A new student of several schools has the first one as home."""
    staged, elsewhere, earlier = import_students.c, import_elsewhere.c, import_students.alias("earlier").c
    is_stored = exists().where(elsewhere.school_id == staged.school_id, elsewhere.source_id == staged.source_id)
    has_home = exists().where(
        earlier.source_id == staged.source_id,
        earlier.state == Staged.ACTIVE.value,
        earlier.school_id < staged.school_id,
    )
    return and_(not_(is_stored), not_(has_home))


STUDENTS = ImportTable(
    students,
    import_students,
    "school_id",
    (*STUDENT_CELLS, SEARCH_TEXT),
    constants={"active": True},
    is_new=_is_new_student(),
)
TEACHERS = ImportTable(
    users,
    import_teachers,
    "school_id",
    ("given_name", "family_name", SEARCH_TEXT),
    constants={"left_roster": False},
    initial={"role": "teacher"},
    optional={"enabled_in_roster": True},
    # A person whom the roster disables is signed out everywhere, as if an admin had done it.
    counted={"enabled_in_roster": "token_generation"},
)
CLASSES = ImportTable(
    classes,
    import_classes,
    "school_id",
    ("title", "code", SEARCH_TEXT),
    constants={"active": True},
    optional={"term_source_ids": ""},
)
_DATES = ("begin_date", "end_date", "begin_from_terms", "end_from_terms")
ENROLMENTS = ImportTable(enrolments, import_enrolments, "class_id", _DATES, fixed=("student_id",))
TEACHINGS = ImportTable(class_teachers, import_enrolments, "class_id", _DATES, fixed=("user_id",))


async def count_present(connection: AsyncConnection, kind: ImportTable) -> int:
    """The number of valid rows of the file, once for each school."""
    return await connection.scalar(_count_present(kind)) or 0


@cache
def _count_present(kind: ImportTable) -> Select[int]:
    return select(func.count()).where(kind.is_present(kind.staged))


async def last_row(connection: AsyncConnection, kind: ImportTable) -> int:
    """The last staged row of the file; 0 if there is none."""
    return await connection.scalar(select(func.max(kind.staged.c.row))) or 0


async def add_new(connection: AsyncConnection, kind: ImportTable, start: int) -> int:
    """Inserts the new rows of a slice, in the order of the file; returns their number."""
    return (await connection.execute(_add_new(kind, start))).rowcount


@lru_cache
def _add_new(kind: ImportTable, start: int) -> Insert:
    staged = kind.staged
    copied = [kind.owner, "source_id", *kind.fixed, *kind.compared]
    values = {**kind.constants, **kind.initial}
    given = (func.coalesce(staged.c[name], literal(value)) for name, value in kind.optional.items())
    new_rows = (
        select(*(staged.c[name] for name in copied), *(literal(value) for value in values.values()), *given)
        .where(_in_slice(staged, start), kind.is_present(staged), not_(exists().where(kind.same(staged))))
        .where(kind.is_new)
        .order_by(staged.c.row, staged.c[kind.owner])
    )
    return insert(kind.table).from_select([*copied, *values, *kind.optional], new_rows)


async def change_differing(connection: AsyncConnection, kind: ImportTable, start: int) -> int:
    """Updates the differing rows of a slice, and activates inactive ones; returns their number."""
    return (await connection.execute(_change_differing(kind, start))).rowcount


@lru_cache
def _change_differing(kind: ImportTable, start: int) -> Update:
    table, staged = kind.table, kind.staged
    given = {name: func.coalesce(staged.c[name], table.c[name]) for name in kind.optional}
    raised = {
        counter: table.c[counter] + case((table.c[name] != given[name], 1), else_=0)
        for name, counter in kind.counted.items()
    }
    differs = [
        *(table.c[name].is_distinct_from(staged.c[name]) for name in kind.compared),
        *(table.c[name] != value for name, value in given.items()),
        *(table.c[name] != value for name, value in kind.constants.items()),
    ]
    return (
        update(table)
        .values({**{name: staged.c[name] for name in kind.compared}, **given, **raised, **kind.constants})
        .where(_in_slice(staged, start), kind.is_present(staged), kind.same(staged), or_(*differs))
    )


async def reassigned(connection: AsyncConnection, kind: ImportTable) -> list[int]:
    """Rows of the file whose source id belongs to another person's enrolment in the same class."""
    return list((await connection.scalars(_reassigned(kind))).all())


@cache
def _reassigned(kind: ImportTable) -> Select[int]:
    person = kind.fixed[0]
    return (
        select(kind.staged.c.row)
        .join(kind.table, kind.same(kind.staged))
        .where(kind.is_present(kind.staged), kind.staged.c[person] != kind.table.c[person])
        .order_by(kind.staged.c.row)
    )


def _in_slice(staged: Table, start: int) -> ColumnElement[bool]:
    return and_(staged.c.row >= start, staged.c.row < start + SLICE)


async def end_missing_classes(connection: AsyncConnection, *, absent: bool) -> int:
    """Deactivates classes that are deleted; with `absent`, also those that are not in the file."""
    return (await connection.execute(_end_missing_classes(absent=absent))).rowcount


@cache
def _end_missing_classes(*, absent: bool) -> Update:
    missing = (*of_import(CLASSES), is_missing(CLASSES, absent=absent))
    return update(classes).where(classes.c.active, *missing).values(active=False)


async def end_missing_teachers(connection: AsyncConnection, *, absent: bool) -> int:
    """Disables teachers who are deleted, with `absent` also those who are not in the file, and ends their sign-ins.

    A later file that lists them enables them. Their earlier sign-ins stay ended.
    """
    return (await connection.execute(_end_missing_teachers(absent=absent))).rowcount


@cache
def _end_missing_teachers(*, absent: bool) -> Update:
    leaves = (_is_active_teacher(), *of_import(TEACHERS), is_missing(TEACHERS, absent=absent))
    values = {"left_roster": True, "token_generation": users.c.token_generation + 1}
    return update(users).where(*leaves).values(values)


def _is_active_teacher() -> ColumnElement[bool]:
    return and_(users.c.role == TEACHERS.initial["role"], not_(users.c.left_roster))


async def widened_enrolments(connection: AsyncConnection) -> dict[int, tuple[int, Span]]:
    """The classes with a past day on which the staged enrolments put a student who is not in the class then yet.

    Before they are applied. By class: its school, and a span that contains these days.
    """
    rows = await connection.execute(_widened_enrolments())
    return {class_id: (school_id, Span(begin, end)) for class_id, school_id, begin, end in rows}


@cache
def _widened_enrolments() -> Select[int, int, date, date]:
    staged, e, c = import_enrolments.c, enrolments.c, classes.c
    first, last = literal(date.min, Date), literal(date.max, Date)
    begin, end = func.coalesce(staged.begin_date, first), func.coalesce(staged.end_date, last)
    is_wider = or_(e.id.is_(None), begin < func.coalesce(e.begin_date, first), end > func.coalesce(e.end_date, last))
    return (
        select(staged.class_id, c.school_id, func.min(begin), func.max(end))
        .join(classes, c.id == staged.class_id)
        .join(import_schools, import_schools.c.school_id == c.school_id)
        .outerjoin(enrolments, and_(e.class_id == staged.class_id, e.source_id == staged.source_id))
        .where(ENROLMENTS.is_present(import_enrolments), begin < import_schools.c.today, is_wider)
        .group_by(staged.class_id, c.school_id)
    )


async def end_missing_enrolments(
    connection: AsyncConnection, kind: ImportTable, *, absent: bool, teachers_absent: bool
) -> int:
    """Ends enrolments that are deleted, or whose class or person is, on the current day of their school.

    Args:
        connection: of an open transaction.
        kind: ENROLMENTS or TEACHINGS.
        absent: whether enrolments that are not in the file end.
        teachers_absent: whether teachers who are not in the file count as deleted.
    """
    statement = _end_missing_enrolments(kind, absent=absent, teachers_absent=teachers_absent)
    ended = 0
    while (count := (await connection.execute(statement)).rowcount) > 0:
        ended += count
    return ended


@cache
def _end_missing_enrolments(kind: ImportTable, *, absent: bool, teachers_absent: bool) -> Update:
    table = kind.table
    if kind is ENROLMENTS:
        without_person = _is_without_student()
    else:
        gone = select(users.c.id).where(*of_import(TEACHERS), is_missing(TEACHERS, absent=teachers_absent))
        without_person = table.c.user_id.in_(gone)
    ending = (
        select(table.c.id)
        .join(classes, classes.c.id == table.c.class_id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(table.c.source_id.is_not(None), has_not_ended(table, import_schools.c.today))
        .where(or_(not_(classes.c.active), without_person, is_missing(kind, absent=absent)))
        .limit(SLICE)
    )
    today = _today_of_class(table)
    last_day = case((table.c.begin_date > today, table.c.begin_date), else_=today)
    return update(table).where(table.c.id.in_(ending)).values(end_date=last_day, end_from_terms=False)


async def count_stored(connection: AsyncConnection, kind: ImportTable) -> int:
    """The number of teachers, classes or enrolments with a source id, in these schools, that have not ended."""
    return await connection.scalar(_count_stored(kind)) or 0


@cache
def _count_stored(kind: ImportTable) -> Select[int]:
    table = kind.table
    counted = select(func.count()).select_from(table).where(table.c.source_id.is_not(None))
    if kind is TEACHERS:
        return counted.where(_is_active_teacher(), *of_import(TEACHERS))
    if "active" in table.c:
        return counted.join(import_schools, import_schools.c.school_id == table.c.school_id).where(table.c.active)
    return (
        counted.join(classes, classes.c.id == table.c.class_id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(has_not_ended(table, import_schools.c.today))
    )


def has_not_ended(table: Table, today: ColumnElement[Any]) -> ColumnElement[bool]:
    """Enrolments with a day today or later."""
    begin, end = table.c.begin_date, table.c.end_date
    return or_(end.is_(None), and_(end > today, or_(begin.is_(None), begin < end)))


def of_import(kind: ImportTable) -> tuple[ColumnElement[bool], ...]:
    """Rows with a source id in the schools of the import. Other rows never end."""
    owned = kind.table.c.school_id.in_(select(import_schools.c.school_id))
    return kind.table.c.source_id.is_not(None), owned


def is_missing(kind: ImportTable, *, absent: bool, names: FromClause | None = None) -> ColumnElement[bool]:
    """Rows that the file deletes; with `absent`, also those that it does not contain.

    `names`: the table with the owner and the source id, if it is not that of the kind.
    """
    staged, table = kind.staged, kind.table if names is None else names
    owner = table.c[kind.owner]
    is_same = and_(staged.c.source_id == table.c.source_id, staged.c[kind.owner] == owner)
    present = exists().where(kind.is_present(staged), is_same)
    kept = exists().where(staged.c.state == Staged.KEPT.value, staged.c.source_id == table.c.source_id)
    if absent:
        return and_(not_(present), not_(kept))
    gone = exists().where(
        staged.c.state == Staged.GONE.value,
        staged.c.source_id == table.c.source_id,
        or_(staged.c[kind.owner].is_(None), staged.c[kind.owner] == owner),
    )
    if kind.owner != "school_id":
        return and_(gone, not_(present), not_(kept))
    of_gone_school = owner.in_(select(import_schools.c.school_id).where(import_schools.c.gone))
    return and_(or_(gone, of_gone_school), not_(present), not_(kept))


def _is_without_student() -> ColumnElement[bool]:
    """Enrolments of students who have left all schools, or who leave the school of the class by this import.

    An enrolment that the file contains keeps its dates: the file says when the student leaves the class.
    """
    e, o, left = enrolments.c, student_schools.c, import_leavers.c
    is_at_another = exists().where(o.student_id == students.c.id, o.active)
    has_left = e.student_id.in_(select(students.c.id).where(not_(students.c.active), not_(is_at_another)))
    leaves_school = exists().where(left.student_id == e.student_id, left.school_id == classes.c.school_id)
    is_listed = exists().where(ENROLMENTS.is_present(import_enrolments), ENROLMENTS.same(import_enrolments))
    return or_(has_left, and_(leaves_school, not_(is_listed)))


def _today_of_class(table: Table) -> ScalarSelect[Any]:
    return (
        select(import_schools.c.today)
        .join(classes, classes.c.school_id == import_schools.c.school_id)
        .where(classes.c.id == table.c.class_id)
        .scalar_subquery()
    )
