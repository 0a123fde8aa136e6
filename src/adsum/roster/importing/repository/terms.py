"""Statements that apply terms, give them to classes, and bound enrolments without dates."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Table, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.roster.tables import classes
from adsum.roster.terms.rules import FileTerm
from adsum.schools.tables import class_terms, terms

IDS_PER_STATEMENT = 500

Pair = tuple[int, int]
"""The ids of a class and one of its terms."""


async def schools_with_terms(connection: AsyncConnection, caller: Caller, sources: Collection[str]) -> set[int]:
    """The visible schools that have any of these terms."""
    found: set[int] = set()
    for ids in _slices(sources):
        statement = select(terms.c.school_id).where(
            terms.c.source_id.in_(ids), in_visible_school(caller, terms.c.school_id)
        )
        found.update(await connection.scalars(statement.distinct()))
    return found


async def stored_terms(
    connection: AsyncConnection, school_ids: Collection[int]
) -> list[tuple[FileTerm, dict[str, Any]]]:
    """The terms of schools that roster files have sent, each with its values."""
    t = terms.c
    is_named = exists().where(class_terms.c.term_id == t.id)
    found: list[tuple[FileTerm, dict[str, Any]]] = []
    for ids in _slices(school_ids):
        statement = select(terms, is_named.label("is_named")).where(t.school_id.in_(ids), t.source_id.is_not(None))
        for row in (await connection.execute(statement.order_by(t.id))).mappings():
            term = FileTerm(
                id=row["id"],
                school_id=row["school_id"],
                source_id=row["source_id"],
                kind=row["kind"],
                parent=row["parent_source_id"],
                is_named=row["is_named"],
                opens_school=row["opens_school"],
            )
            values = ("title", "kind", "begin_date", "end_date", "parent_source_id")
            found.append((term, {name: row[name] for name in values}))
    return found


async def add_terms(connection: AsyncConnection, rows: Collection[dict[str, Any]]) -> None:
    """Adds terms."""
    if rows:
        await connection.execute(insert(terms), list(rows))


async def change_term(connection: AsyncConnection, term_id: int, values: dict[str, Any]) -> None:
    """Changes a term."""
    await connection.execute(update(terms).where(terms.c.id == term_id).values(values))


async def delete_terms(connection: AsyncConnection, term_ids: Collection[int]) -> None:
    """Deletes terms, and takes them from their classes."""
    for ids in _slices(term_ids):
        await connection.execute(delete(class_terms).where(class_terms.c.term_id.in_(ids)))
        await connection.execute(delete(terms).where(terms.c.id.in_(ids)))


async def classes_with_terms(connection: AsyncConnection, school_ids: Collection[int]) -> list[tuple[int, int, str]]:
    """Id, school and term source ids of the active classes that name or have terms."""
    c = classes.c
    has_terms = exists().where(class_terms.c.class_id == c.id)
    found: list[tuple[int, int, str]] = []
    for ids in _slices(school_ids):
        statement = (
            select(c.id, c.school_id, c.term_source_ids)
            .where(c.school_id.in_(ids), c.active, or_(c.term_source_ids != "", has_terms))
            .order_by(c.id)
        )
        found += [(row[0], row[1], row[2]) for row in await connection.execute(statement)]
    return found


async def terms_of_classes(connection: AsyncConnection, school_ids: Collection[int]) -> set[Pair]:
    """The terms of the active classes of schools."""
    found: set[Pair] = set()
    for ids in _slices(school_ids):
        statement = (
            select(class_terms.c.class_id, class_terms.c.term_id)
            .join(classes, classes.c.id == class_terms.c.class_id)
            .where(classes.c.school_id.in_(ids), classes.c.active)
        )
        found.update((row[0], row[1]) for row in await connection.execute(statement))
    return found


async def set_terms_of_classes(connection: AsyncConnection, added: Collection[Pair], removed: Collection[Pair]) -> None:
    """Gives terms to classes, and takes terms from classes."""
    if added:
        rows = [{"class_id": class_id, "term_id": term_id} for class_id, term_id in sorted(added)]
        await connection.execute(insert(class_terms), rows)
    for class_id, term_id in sorted(removed):
        pair = and_(class_terms.c.class_id == class_id, class_terms.c.term_id == term_id)
        await connection.execute(delete(class_terms).where(pair))


async def bound_by_terms(connection: AsyncConnection, table: Table, class_ids: Collection[int]) -> int:
    """Gives enrolments or teachings without dates of their own those of the terms of their class; returns their number.

    Without terms, they have no dates again.
    """
    begin, end = table.c.begin_date, table.c.end_date
    first, last = _of_terms(table, func.min(terms.c.begin_date)), _of_terms(table, func.max(terms.c.end_date))
    is_begin_open = or_(begin.is_(None), table.c.begin_from_terms)
    is_end_open = or_(end.is_(None), table.c.end_from_terms)
    changes: list[ColumnElement[bool]] = [
        and_(is_begin_open, begin.is_distinct_from(first)),
        and_(is_end_open, end.is_distinct_from(last)),
    ]
    changed = 0
    for ids in _slices(class_ids):
        statement = (
            update(table)
            .where(table.c.class_id.in_(ids), or_(*changes))
            .values(
                begin_date=case((is_begin_open, first), else_=begin),
                end_date=case((is_end_open, last), else_=end),
                begin_from_terms=and_(is_begin_open, first.is_not(None)),
                end_from_terms=and_(is_end_open, last.is_not(None)),
            )
        )
        changed += (await connection.execute(statement)).rowcount
    return changed


def _of_terms(table: Table, day: ColumnElement[Any]) -> ScalarSelect[Any]:
    return (
        select(day)
        .join(class_terms, class_terms.c.term_id == terms.c.id)
        .where(class_terms.c.class_id == table.c.class_id)
        .correlate(table)
        .scalar_subquery()
    )


def _slices(values: Collection[Any]) -> Iterable[list[Any]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        yield ordered[start : start + IDS_PER_STATEMENT]
