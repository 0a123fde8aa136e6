"""Statements that read and change the contacts of students."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Delete, Insert, Select, Update, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.importing.repository.staging import ROWS_AT_ONCE, read_all
from adsum.roster.importing.rules import ContactKey, ImportedContact
from adsum.roster.importing.tables import import_schools
from adsum.roster.tables import student_contacts

_KEY = ("school_id", "student_id", "source_id")
_PARAMETERS = tuple(f"of_{name}" for name in _KEY)
_VALUES = tuple(each.name for each in fields(ImportedContact))
_COLUMNS = (*_KEY, *_VALUES)
# `dataclasses.asdict` takes as long as the insert.
_values_of: Callable[[ImportedContact], tuple[Any, ...]] = attrgetter(*_VALUES)


async def stored_contacts(connection: AsyncConnection) -> dict[ContactKey, ImportedContact]:
    """The contacts that the rosters of the schools of the import name."""
    rows = await read_all(connection, _select_contacts())
    return await asyncio.to_thread(lambda: {(row[0], row[1], row[2]): ImportedContact(*row[3:]) for row in rows})


async def add_contacts(connection: AsyncConnection, contacts: Mapping[ContactKey, ImportedContact]) -> None:
    """Adds contacts."""
    rows = (dict(zip(_COLUMNS, (*key, *_values_of(each)), strict=True)) for key, each in contacts.items())
    await _execute(connection, insert(student_contacts), rows)


async def change_contacts(connection: AsyncConnection, contacts: Mapping[ContactKey, ImportedContact]) -> None:
    """Changes contacts."""
    rows = (_bound(key) | dict(zip(_VALUES, _values_of(each), strict=True)) for key, each in contacts.items())
    await _execute(connection, _change_contact(), rows)


async def delete_contacts(connection: AsyncConnection, keys: Collection[ContactKey]) -> None:
    """Deletes contacts."""
    await _execute(connection, _delete_contact(), map(_bound, keys))


async def _execute(
    connection: AsyncConnection, statement: Insert | Update | Delete, rows: Iterator[dict[str, Any]]
) -> None:
    """The process prepares one slice of rows at a time, and answers others in between."""
    while some := list(islice(rows, ROWS_AT_ONCE)):
        await connection.execute(statement, some)


def _bound(key: ContactKey) -> dict[str, Any]:
    return dict(zip(_PARAMETERS, key, strict=True))


@cache
def _select_contacts() -> Select[*tuple[Any, ...]]:
    c = student_contacts.c
    of_import = c.school_id.in_(select(import_schools.c.school_id))
    return select(*(c[name] for name in _COLUMNS)).where(of_import)


@cache
def _change_contact() -> Update:
    return update(student_contacts).where(*_is_it()).values({name: bindparam(name) for name in _VALUES})


@cache
def _delete_contact() -> Delete:
    return delete(student_contacts).where(*_is_it())


def _is_it() -> list[ColumnElement[bool]]:
    return [student_contacts.c[name] == bindparam(key) for name, key in zip(_KEY, _PARAMETERS, strict=True)]
