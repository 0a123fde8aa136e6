"""Names of classes, sessions and students in imported files.

The columns `class`, `session` and `student` hold source ids, and `session` also periods; `classId`, `sessionId` and
`studentId` hold Adsum's ids. A name in one kind of column never finds an id of the other kind. Exports have further
columns: `classSourcedId`, `sessionSourcedId` and `studentSourcedId` for source ids, and `period`. A row may fill
several columns, if all of them name the same. Empty cells name nothing: a row whose columns for the session are all
empty means the session without a period.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import missing_value
from adsum.platform.texts import MAX_CLOSE, is_roster_text

CLASS_COLUMNS = ("class", "classId", "classSourcedId")
SESSION_COLUMNS = ("session", "sessionId", "sessionSourcedId", "period")
STUDENT_COLUMNS = ("student", "studentId", "studentSourcedId")
_OWN_IDS = frozenset({"classId", "sessionId", "studentId"})

# As Adsum writes an id; the database stores no longer ones.
_ID = re.compile("[1-9][0-9]{0,17}", re.ASCII)
MAX_SHOWN = 40
MAX_UNKNOWN = 1_000
"""Unknown classes whose schools are looked up."""
MAX_PERIODS = 10
"""Periods that a violation lists."""
MAX_SCHOOLS = 3
"""Schools that a violation of an unknown class lists."""


class Name(NamedTuple):
    """A name and the column that it is in."""

    column: str
    text: str

    @property
    def is_own_id(self) -> bool:
        """Whether the column holds Adsum's ids."""
        return self.column in _OWN_IDS

    def __str__(self) -> str:
        return f"{self.column} {self.text[:MAX_SHOWN]!r}"


def is_id(text: str) -> bool:
    """Whether Adsum writes an id like this."""
    return _ID.fullmatch(text) is not None


RowNames = tuple[Name, ...]
"""The names of one class, session or student in a row, at least one, in the order of their columns."""


@dataclass(frozen=True, slots=True)
class NamedSession:
    """A session with the names that a file may use for it and its class.

    `period` is empty for the only session of a class.
    """

    id: int
    period: str
    source_id: str | None
    class_id: int
    class_source_id: str | None


class NamedStudent(NamedTuple):
    """A student with the names that a file may use for them.

    `own_id`: Adsum's id of the student, or of a record that was merged into theirs.
    """

    id: int
    source_id: str | None
    own_id: int


def names_in(
    cells: Mapping[str, str], columns: Sequence[str], violations: list[Violation], *, may_be_empty: bool = False
) -> RowNames | None:
    """The names in these columns; None, and a violation, if all are empty.

    Args:
        cells: the cells of a row by column, without blanks around them.
        columns: the columns that may name the same.
        violations: receives the violation.
        may_be_empty: an empty name is a name, too.
    """
    names = tuple(Name(column, cells[column]) for column in columns if cells.get(column))
    if names:
        return names
    empty = [column for column in columns if column in cells]
    if may_be_empty:
        return (Name(empty[0], ""),)
    violations.append(missing_value(empty))
    return None


def names_differ(meanings: Mapping[Name, str]) -> Violation:
    """The violation of names that do not name the same. `meanings`: what each of them names."""
    named = ", ".join(f"{name.column} is {meaning}" for name, meaning in meanings.items())
    detail = f"{' and '.join(map(str, meanings))} do not name the same: {named}"
    columns = [name.column for name in meanings]
    params = {"column": columns[0], "columns": columns, "named": list(meanings.values())}
    return Violation("names_differ", detail, params=params)


def in_column(name: Name, code: str, detail: str, **params: Any) -> Violation:
    """A violation about a name, with its column."""
    return Violation(code, detail, params={"column": name.column, **params})


class NameIndex:
    """The ids of rows of one kind, by source id and by Adsum's id."""

    def __init__(self, columns: tuple[str, str, *tuple[str, ...]], rows: Iterable[tuple[int, str | None, int]]) -> None:
        """`rows`: the id that is found, a source id and an id of Adsum that name it."""
        self._source_column, self._id_column, *_ = columns
        self._by_id: dict[str, int] = {}
        self._by_source_id: dict[str, int] = {}
        # The records that were merged into others, by source id.
        self._merged: dict[str, int] = {}
        for row_id, source_id, own_id in rows:
            self._by_id[str(own_id)] = row_id
            if source_id:
                self._by_source_id[source_id] = row_id
                if own_id != row_id:
                    self._merged[source_id] = own_id
                else:
                    self._merged.pop(source_id, None)
        self._similar: dict[str, list[str]] | None = None

    def find(self, name: Name) -> int | None:
        """The id of the row with this name."""
        return (self._by_id if name.is_own_id else self._by_source_id).get(name.text)

    def record_of(self, name: Name) -> int | None:
        """The id of the record that a name belongs to: `find`, or that of a record which was merged into it."""
        if name.is_own_id:
            return int(name.text) if name.text in self._by_id else None
        return self._merged.get(name.text, self._by_source_id.get(name.text))

    def unknown(self, code: str, detail: str, name: Name) -> Violation:
        """The violation for a name without a row; its text adds what is close to the name."""
        if name.is_own_id:
            other = name.text in self._by_source_id
            hint = f"; it is a source id, which belongs in the column {self._source_column}" if other else ""
            return in_column(name, code, f"{detail}{hint}")
        close = self._close(name.text)
        if close:
            exist = " and ".join(repr(each[:MAX_SHOWN]) for each in close)
            verb = "exists" if len(close) == 1 else "exist"
            return in_column(name, code, f"{detail}; {exist} {verb}: {_difference(name.text, close[0])}", close=close)
        other = name.text in self._by_id
        hint = f"; it is an id of Adsum, which belongs in the column {self._id_column}" if other else ""
        return in_column(name, code, f"{detail}{hint}")

    def _close(self, text: str) -> list[str]:
        if self._similar is None:
            similar = defaultdict[str, list[str]](list)
            for source_id in self._by_source_id:
                similar[_simplified(source_id)].append(source_id)
            self._similar = dict(similar)
        return self._similar.get(_simplified(text), [])[:MAX_CLOSE]


class RosterNames:
    """Finds the sessions and students of a school that a row of a file names."""

    def __init__(self, sessions: Iterable[NamedSession], students: Iterable[NamedStudent] = ()) -> None:
        self._sessions = defaultdict[int, list[NamedSession]](list)
        for session in sessions:
            self._sessions[session.class_id].append(session)
        of_classes = (every[0] for every in self._sessions.values())
        self._classes = NameIndex(
            CLASS_COLUMNS, ((each.class_id, each.class_source_id, each.class_id) for each in of_classes)
        )
        self._students = NameIndex(STUDENT_COLUMNS, students)
        self._unknown_students: dict[Name, int] = {}

    def session_of(self, class_names: RowNames, session_names: RowNames) -> NamedSession | Violation:
        """The session of a class, or the violation if there is none, more than one, or the names differ."""
        found: dict[Name, int] = {}
        for name in class_names:
            class_id = self._classes.find(name)
            if class_id is None:
                return self.unknown_class(name)
            found[name] = class_id
        if len({*found.values()}) > 1:
            return names_differ({name: f"class {class_id}" for name, class_id in found.items()})
        return self._session_of(found[class_names[0]], class_names[0], session_names)

    def _session_of(self, class_id: int, class_name: Name, session_names: RowNames) -> NamedSession | Violation:
        found = self._sessions[class_id]
        named: dict[Name, list[NamedSession]] = {}
        for name in session_names:
            named[name] = [session for session in self._sessions[class_id] if name.text in _names_of(session, name)]
            if not named[name]:
                return self._unknown_session(class_id, class_name, name)
            found = [session for session in found if session in named[name]]
        if len(found) == 1:
            return found[0]
        if not found:
            ids = {name: " or ".join(str(session.id) for session in every) for name, every in named.items()}
            return names_differ({name: f"session {each}" for name, each in ids.items()})
        detail = f"{session_names[0]} of {class_name} is the period of one session and the source id of another"
        return in_column(session_names[0], "ambiguous_session", f"{detail}; name it in the column sessionId")

    def _unknown_session(self, class_id: int, class_name: Name, name: Name) -> Violation:
        sessions = self._sessions[class_id]
        if not name.text:
            periods = sorted(session.period for session in sessions)
            shown = ", ".join(repr(period[:MAX_SHOWN]) for period in periods[:MAX_PERIODS])
            more = f" and {len(periods) - MAX_PERIODS} more" if len(periods) > MAX_PERIODS else ""
            detail = (
                f"{name.column} is empty, but every session of {class_name} has a period: name one of {shown}{more}"
            )
            return in_column(name, "session_not_of_class", detail)
        names = ((session.id, text, session.id) for session in sessions for text in (session.period, session.source_id))
        return NameIndex(SESSION_COLUMNS, names).unknown("session_not_of_class", f"{class_name} has no {name}", name)

    def student_of(self, names: RowNames) -> int | Violation:
        """The id of a student, or the violation if the names differ. A student whom nobody knows has a negative id,
        always the same one; one whom only Adsum's id names has that id, whether the caller sees them or not.

        The validation of the submission refuses such an id, and reveals no student whom the caller may not see.
        """
        found = {name: self._students.find(name) for name in names}
        known = {student_id for student_id in found.values() if student_id is not None}
        if len(known) > 1:
            return names_differ({name: f"student {each}" for name, each in found.items() if each is not None})
        unknown = [name for name, student_id in found.items() if student_id is None]
        if not unknown:
            return known.pop()
        own_id = next((name.text for name in unknown if name.is_own_id and is_id(name.text)), None)
        return int(own_id) if own_id is not None and not known else self._unknown_id(unknown[0])

    def knows_student(self, names: RowNames) -> bool:
        """Whether any of the names finds a student."""
        return any(self._students.find(name) is not None for name in names)

    def names_same_record(self, names: RowNames, others: RowNames) -> bool:
        """Whether the names of one student belong to the same record. Two records may have been merged into one."""
        first, second = ({self._students.record_of(name) for name in each} for each in (names, others))
        return first == second

    def _unknown_id(self, name: Name) -> int:
        return self._unknown_students.setdefault(name, -1 - len(self._unknown_students))

    def unknown_class(self, name: Name) -> Violation:
        """The violation for a class that does not exist, or that the caller does not see."""
        return unknown_class(self._classes.unknown("unknown_class", f"there is no {name} with a session", name), name)

    def with_similar_students(self, code: str, detail: str, names: RowNames) -> Violation:
        """A violation about a student. If a name is unknown, it shows the visible students whose names are close."""
        unknown = (name for name in names if self._students.find(name) is None)
        name = next(unknown, None)
        if name is None:
            return in_column(names[0], code, detail)
        return self._students.unknown(code, detail, name)


def unknown_class(violation: Violation, name: Name) -> Violation:
    """The violation with the unknown name of a class, for `with_schools`."""
    return replace(violation, params={**violation.params, "name": name.text})


def classes_unknown(violations: Iterable[Violation]) -> set[Name]:
    """The names of classes that these violations say to be unknown, as many as one statement looks up."""
    params = (violation.params for violation in violations if violation.code == "unknown_class")
    names = dict.fromkeys(Name(each["column"], each["name"]) for each in params)
    return set(islice((name for name in names if is_roster_text(name.text)), MAX_UNKNOWN))


def with_schools(violations: Iterable[Violation], schools: Mapping[Name, Sequence[str]]) -> Iterator[Violation]:
    """The violations; those of classes that other schools have name these schools."""
    for violation in violations:
        params = violation.params
        is_unknown = violation.code == "unknown_class"
        found = schools.get(Name(params["column"], params["name"]), ()) if is_unknown else ()
        if not found:
            yield violation
            continue
        more = f" and {len(found) - MAX_SCHOOLS} more schools" if len(found) > MAX_SCHOOLS else ""
        detail = f"{violation.detail} at this school; it is a class of {', '.join(found[:MAX_SCHOOLS])}{more}"
        yield replace(violation, detail=detail, params={**params, "schools": list(found)})


def _names_of(session: NamedSession, name: Name) -> tuple[str | None, ...]:
    """The names of a session in the column of `name`. An empty name is the empty period in each column."""
    if not name.text:
        return (session.period,)
    match name.column:
        case "sessionId":
            return (str(session.id),)
        case "sessionSourcedId":
            return (session.source_id,)
        case "period":
            return (session.period,)
        case _:
            return (session.period, session.source_id)


def _simplified(text: str) -> str:
    """The text without the differences that spreadsheets and people make: case, blanks, leading zeros, wide forms."""
    letters = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letters.split()).lstrip("0") or "0"


def _difference(written: str, existing: str) -> str:
    if written.lstrip("0") == existing.lstrip("0"):
        return f"the file may have {'lost' if len(written) < len(existing) else 'added'} leading zeros"
    if written.casefold() == existing.casefold():
        return "upper and lower case differ"
    if "".join(written.split()) == "".join(existing.split()):
        return "blanks differ"
    return "they differ in case, blanks or leading zeros"
