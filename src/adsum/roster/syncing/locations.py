"""Violations of an import by resource and sourcedId, instead of file and row."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adsum.platform.errors import Violation
from adsum.roster.importing.rules import ImportReport
from adsum.roster.oneroster.package import file_of
from adsum.roster.syncing.columns import FIELDS
from adsum.roster.syncing.rules import COLLECTIONS
from adsum.roster.syncing.table import CollectionTable

# Roles are part of users.
_RESOURCES = {file_of(name.lower()): name for name in COLLECTIONS} | {file_of("roles"): "users"}
_WORDS = {**{file_of(name.lower()): name for name in (*COLLECTIONS, "roles")}, **FIELDS}
_WORD = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in _WORDS))
_ROW = re.compile(r"\bis in row \d+ already\b")


def located(violations: Iterable[Violation], tables: Mapping[str, CollectionTable]) -> tuple[Violation, ...]:
    """The violations, each with the pointer `users/ID`, or `users item 17` if the object has no sourcedId."""
    violations = tuple(violations)
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for violation in violations:
        if "row" in violation.params:
            wanted[violation.params["file"]].add(violation.params["row"])
    by_file = {table.name: (name, table) for name, table in tables.items()}
    ids: dict[str, Mapping[int, str]] = {}
    for file, rows in wanted.items():
        name, table = by_file[file]
        ids[file] = table.ids_of(rows, "userSourcedId" if name == "roles" else "sourcedId")
    return tuple(_located(violation, ids) for violation in violations)


def located_report(report: ImportReport, tables: Mapping[str, CollectionTable]) -> ImportReport:
    """The report, with its violations and warnings as `located` returns them."""
    return replace(
        report,
        violations=located(report.violations, tables),
        warnings=located(report.warnings, tables),
        ignored={_in_words(what): count for what, count in report.ignored.items()},
    )


def _located(violation: Violation, ids: Mapping[str, Mapping[int, str]]) -> Violation:
    params: dict[str, Any] = dict(violation.params)
    file, row = params.pop("file", None), params.pop("row", None)
    params.pop("first", None)
    if "column" in params:
        params["column"] = FIELDS.get(params["column"], params["column"])
    resource = _RESOURCES.get(str(file))
    pointer = resource or violation.pointer
    if resource is not None:
        params["resource"] = resource
    if row is not None and file is not None:
        source_id = ids[file].get(row)
        pointer = f"{resource} item {row}" if source_id is None else f"{resource}/{source_id}"
        params |= {"item": row} if source_id is None else {"sourcedId": source_id}
    return Violation(violation.code, _in_words(violation.detail), pointer, params)


def _in_words(detail: str) -> str:
    return _WORD.sub(lambda found: _WORDS[found[0]], _ROW.sub("is there twice", detail))
