"""Statements about the terms of classes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.days import Span
from adsum.roster.tables import classes
from adsum.schools.tables import class_terms, terms


async def bounds_of_classes(connection: AsyncConnection, school_ids: Collection[int]) -> dict[int, Span]:
    """From the first to the last day of the terms of each active class of these schools that has any."""
    statement = (
        select(class_terms.c.class_id, func.min(terms.c.begin_date), func.max(terms.c.end_date))
        .join(terms, terms.c.id == class_terms.c.term_id)
        .join(classes, classes.c.id == class_terms.c.class_id)
        .where(classes.c.school_id.in_(sorted(school_ids)), classes.c.active)
        .group_by(class_terms.c.class_id)
    )
    return {class_id: Span(begin, end) for class_id, begin, end in await connection.execute(statement)}


async def bounds_of_class(connection: AsyncConnection, class_id: int) -> Span | None:
    """From the first to the last day of the terms of a class; None: it has no terms."""
    statement = (
        select(func.min(terms.c.begin_date), func.max(terms.c.end_date))
        .join(class_terms, class_terms.c.term_id == terms.c.id)
        .where(class_terms.c.class_id == class_id)
    )
    begin, end = (await connection.execute(statement)).one()
    return None if begin is None else Span(begin, end)
