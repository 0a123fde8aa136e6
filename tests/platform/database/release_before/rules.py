"""The rules that let a release work on the tables of the next one: tables expand, and contract one release later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_NOT_NULL, _DEFAULT = " NOT NULL", " DEFAULT"
_TEXT = re.compile(r"VARCHAR(?:\((\d+)\))?|TEXT")


def broken_rules(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yields each change that fails a statement of the release before: what, and how to do it in two releases."""
    for name, table in before.items():
        if name in now:
            yield from _table(name, table, now[name])
        else:
            yield f"{name} is dropped: keep the table until the release after the next"


def _table(name: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for column, old in before["columns"].items():
        if column in now["columns"]:
            yield from _column(f"{name}.{column}", old, now["columns"][column])
        else:
            yield f"{name}.{column} is dropped or renamed: mark it as retired, and drop it in the next release"
    for column in now["columns"].keys() - before["columns"].keys():
        if _is_required(now["columns"][column]):
            yield f"{name}.{column} is new and required: give it a server default"
    yield from _constraints(name, before, now)


def _constraints(name: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    if before["key"] != now["key"]:
        yield f"the primary key of {name} changes: add a unique index, and change the key in the next release"
    for columns in before["unique"]:
        if columns not in now["unique"]:
            yield f"{name} loses the unique ({', '.join(columns)}), which an ON CONFLICT may name"
    for kind, word in (("unique", "unique"), ("checks", "check"), ("references", "foreign key")):
        for added in now[kind]:
            if added not in before[kind] and not _is_about_new_columns(kind, added, before, now):
                yield f"{name} has a new {word}, {added}: rows of the release before may not meet it"


def _column(name: str, before: str, now: str) -> Iterator[str]:
    old, new = _type(before), _type(now)
    if old != new and not _is_longer_text(old, new):
        yield f"{name} changes from {old} to {new}: add a column, and drop this one later"
    if _is_required(now) and not _is_required(before):
        yield f"{name} becomes required: rows of the release before may leave it out"
    elif _NOT_NULL in now and _NOT_NULL not in before:
        yield f"{name} becomes NOT NULL: rows of the release before may have NULL"


def _type(column: str) -> str:
    return column.removesuffix(_DEFAULT).removesuffix(_NOT_NULL)


def _is_required(column: str) -> bool:
    return _NOT_NULL in column and not column.endswith(_DEFAULT)


def _is_longer_text(before: str, now: str) -> bool:
    old, new = _TEXT.fullmatch(before), _TEXT.fullmatch(now)
    if old is None or new is None:
        return False
    return new[1] is None or (old[1] is not None and int(new[1]) >= int(old[1]))


def _is_about_new_columns(kind: str, added: Any, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a constraint names a column that the release before leaves NULL or to its default."""
    if kind == "checks":
        return False
    columns = added if kind == "unique" else [added.partition(" → ")[0]]
    return any(column in now["columns"] and column not in before["columns"] for column in columns)
