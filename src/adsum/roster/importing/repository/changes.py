"""Applies staged rows to the roster: inserts new rows, updates changed ones, ends missing ones.

Each statement handles a slice of the rows of a file, so that a large file does not exceed the statement timeout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    ScalarSelect,
    Table,
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
from adsum.roster.importing.rules import Staged
from adsum.roster.importing.tables import (
    import_classes,
    import_elsewhere,
    import_enrolments,
    import_leavers,
    import_schools,
    import_sessions,
    import_students,
    import_teachers,
)
from adsum.roster.repository.session_validity import follow_roster, start_classes
from adsum.roster.tables import classes, enrolments, sessions, student_schools, students

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
    ("given_name", "family_name", "grade", SEARCH_TEXT),
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
    return await connection.scalar(select(func.count()).where(kind.is_present(kind.staged))) or 0


async def last_row(connection: AsyncConnection, kind: ImportTable) -> int:
    """The last staged row of the file; 0 if there is none."""
    return await connection.scalar(select(func.max(kind.staged.c.row))) or 0


async def add_new(connection: AsyncConnection, kind: ImportTable, start: int) -> int:
    """Inserts the new rows of a slice, in the order of the file; returns their number."""
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
    return (
        await connection.execute(insert(kind.table).from_select([*copied, *values, *kind.optional], new_rows))
    ).rowcount


async def change_differing(connection: AsyncConnection, kind: ImportTable, start: int) -> int:
    """Updates the differing rows of a slice, and activates inactive ones; returns their number."""
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
    statement = (
        update(table)
        .values({**{name: staged.c[name] for name in kind.compared}, **given, **raised, **kind.constants})
        .where(_in_slice(staged, start), kind.is_present(staged), kind.same(staged), or_(*differs))
    )
    return (await connection.execute(statement)).rowcount


async def reassigned(connection: AsyncConnection, kind: ImportTable) -> list[int]:
    """Rows of the file whose source id belongs to another person's enrolment in the same class."""
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


async def apply_sessions(connection: AsyncConnection, valid_from: date | None) -> tuple[int, int, int]:
    """Applies the staged sessions, and ends sessions of ended classes: (added, changed, ended).

    Validities begin and end on `valid_from`; None: on the school's today.
    """
    days = select(
        import_schools.c.school_id,
        func.coalesce(literal(valid_from, Date), import_schools.c.today).label("day"),
    ).subquery("days")
    staged = import_sessions
    same = and_(staged.c.class_id == sessions.c.class_id, staged.c.period == sessions.c.period)
    ended = update(sessions).where(sessions.c.active, _ended_session(same)).values(active=False)
    changed = (
        update(sessions)
        .values(title=staged.c.title, active=True)
        .where(same, or_(sessions.c.title != staged.c.title, not_(sessions.c.active)))
    )
    added = insert(sessions).from_select(
        ["class_id", "period", "title", "begin_date"],
        select(staged.c.class_id, staged.c.period, staged.c.title, days.c.day)
        .join(classes, classes.c.id == staged.c.class_id)
        .join(days, days.c.school_id == classes.c.school_id)
        .where(not_(exists().where(same)))
        .order_by(staged.c.class_id, staged.c.period),
    )
    count_ended = (await connection.execute(ended)).rowcount
    count_changed = (await connection.execute(changed)).rowcount
    new_ids = list(await connection.scalars(added.returning(sessions.c.id)))
    await follow_roster(connection, days)
    if valid_from is None:
        await start_classes(connection, new_ids)
    return len(new_ids), count_changed, count_ended


def _ended_session(same: ColumnElement[bool]) -> ColumnElement[bool]:
    of_ended_class = (
        select(classes.c.id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(not_(classes.c.active))
    )
    return or_(
        sessions.c.class_id.in_(of_ended_class),
        and_(sessions.c.class_id.in_(select(import_sessions.c.class_id)), not_(exists().where(same))),
    )


async def end_missing_classes(connection: AsyncConnection, *, absent: bool) -> int:
    """Deactivates classes that are deleted; with `absent`, also those that are not in the file."""
    statement = update(classes).where(classes.c.active, *of_import(CLASSES), is_missing(CLASSES, absent=absent))
    return (await connection.execute(statement.values(active=False))).rowcount


async def end_missing_teachers(connection: AsyncConnection, *, absent: bool) -> int:
    """Disables teachers who are deleted, with `absent` also those who are not in the file, and ends their sign-ins.

    A later file that lists them enables them. Their earlier sign-ins stay ended.
    """
    c = users.c
    leaves = (_is_active_teacher(), *of_import(TEACHERS), is_missing(TEACHERS, absent=absent))
    values = {"left_roster": True, "token_generation": c.token_generation + 1}
    return (await connection.execute(update(users).where(*leaves).values(values))).rowcount


def _is_active_teacher() -> ColumnElement[bool]:
    return and_(users.c.role == TEACHERS.initial["role"], not_(users.c.left_roster))


async def widened_enrolments(connection: AsyncConnection) -> dict[int, tuple[int, Span]]:
    """The classes with a past day on which the staged enrolments put a student who is not in the class then yet.

    Before they are applied. By class: its school, and a span that contains these days.
    """
    staged, e, c = import_enrolments.c, enrolments.c, classes.c
    first, last = literal(date.min, Date), literal(date.max, Date)
    begin, end = func.coalesce(staged.begin_date, first), func.coalesce(staged.end_date, last)
    is_wider = or_(e.id.is_(None), begin < func.coalesce(e.begin_date, first), end > func.coalesce(e.end_date, last))
    statement = (
        select(staged.class_id, c.school_id, func.min(begin), func.max(end))
        .join(classes, c.id == staged.class_id)
        .join(import_schools, import_schools.c.school_id == c.school_id)
        .outerjoin(enrolments, and_(e.class_id == staged.class_id, e.source_id == staged.source_id))
        .where(ENROLMENTS.is_present(import_enrolments), begin < import_schools.c.today, is_wider)
        .group_by(staged.class_id, c.school_id)
    )
    rows = await connection.execute(statement)
    return {class_id: (school_id, Span(begin, end)) for class_id, school_id, begin, end in rows}


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
    statement = update(table).where(table.c.id.in_(ending)).values(end_date=last_day, end_from_terms=False)
    ended = 0
    while (count := (await connection.execute(statement)).rowcount) > 0:
        ended += count
    return ended


async def count_stored(connection: AsyncConnection, kind: ImportTable) -> int:
    """The number of teachers, classes or enrolments with a source id, in these schools, that have not ended."""
    table = kind.table
    counted = select(func.count()).select_from(table).where(table.c.source_id.is_not(None))
    if kind is TEACHERS:
        counted = counted.where(_is_active_teacher(), *of_import(TEACHERS))
    elif "active" in table.c:
        counted = counted.join(import_schools, import_schools.c.school_id == table.c.school_id).where(table.c.active)
    else:
        counted = (
            counted.join(classes, classes.c.id == table.c.class_id)
            .join(import_schools, import_schools.c.school_id == classes.c.school_id)
            .where(has_not_ended(table, import_schools.c.today))
        )
    return await connection.scalar(counted) or 0


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
