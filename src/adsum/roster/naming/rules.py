"""Names of classes, sessions and students in imported files.

The columns `class`, `session` and `student` hold source ids, and `session` also periods; `classId`, `sessionId` and
`studentId` hold Adsum's ids. A name in one kind of column never finds an id of the other kind.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adsum.platform.errors import Violation

CLASS = ("class", "classId")
SESSION = ("session", "sessionId")
STUDENT = ("student", "studentId")

MAX_SHOWN = 40
MAX_CLOSE = 3
"""Similar names that a violation lists."""


class Name(NamedTuple):
    """A name and the column that it is in."""

    column: str
    text: str

    @property
    def is_own_id(self) -> bool:
        """Whether the column holds Adsum's ids."""
        return self.column.endswith("Id")

    def __str__(self) -> str:
        return f"{self.column} {self.text[:MAX_SHOWN]!r}"


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
    """A student with the names that a file may use for them."""

    id: int
    source_id: str | None


def name_in(
    cells: Mapping[str, str], columns: tuple[str, str], violations: list[Violation], *, may_be_empty: bool = False
) -> Name | None:
    """The name in one of the two columns; None, and a violation, if both are filled or both are empty.

    Args:
        cells: the cells of a row by column, without blanks around them.
        columns: the column for source ids and the one for Adsum's ids.
        violations: receives the violation.
        may_be_empty: an empty name is a name, too.
    """
    source_column, id_column = columns
    source_id, own_id = cells.get(source_column, ""), cells.get(id_column, "")
    if source_id and own_id:
        detail = f"{source_column} and {id_column} are both filled; leave one of them empty"
        violations.append(Violation("two_names", detail, params={"columns": list(columns)}))
        return None
    if own_id:
        return Name(id_column, own_id)
    if source_id or may_be_empty:
        return Name(source_column, source_id)
    empty = [column for column in columns if column in cells]
    detail = f"{' and '.join(empty)} {'are both' if len(empty) > 1 else 'is'} empty"
    violations.append(Violation("missing_value", detail, params={"columns": empty}))
    return None


class NameIndex:
    """The ids of rows of one kind, by source id and by Adsum's id."""

    def __init__(self, columns: tuple[str, str], rows: Iterable[tuple[int, str | None]]) -> None:
        self._source_column, self._id_column = columns
        self._by_id: dict[str, int] = {}
        self._by_source_id: dict[str, int] = {}
        for row_id, source_id in rows:
            self._by_id[str(row_id)] = row_id
            if source_id:
                self._by_source_id[source_id] = row_id
        self._similar: dict[str, list[str]] | None = None

    def find(self, name: Name) -> int | None:
        """The id of the row with this name."""
        return (self._by_id if name.is_own_id else self._by_source_id).get(name.text)

    def unknown(self, code: str, detail: str, name: Name) -> Violation:
        """The violation for a name without a row; its text adds what is close to the name."""
        if name.is_own_id:
            other = name.text in self._by_source_id
            hint = f"; it is a source id, which belongs in the column {self._source_column}" if other else ""
            return Violation(code, f"{detail}{hint}")
        close = self._close(name.text)
        if close:
            exist = " and ".join(repr(each[:MAX_SHOWN]) for each in close)
            verb = "exists" if len(close) == 1 else "exist"
            return Violation(
                code, f"{detail}; {exist} {verb}: {_difference(name.text, close[0])}", params={"close": close}
            )
        other = name.text in self._by_id
        hint = f"; it is an id of Adsum, which belongs in the column {self._id_column}" if other else ""
        return Violation(code, f"{detail}{hint}")

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
        self._classes = NameIndex(
            CLASS, ((every[0].class_id, every[0].class_source_id) for every in self._sessions.values())
        )
        self._students = NameIndex(STUDENT, students)
        self._unknown_students: dict[Name, int] = {}

    def session_of(self, class_name: Name, session_name: Name) -> NamedSession | Violation:
        """The session of a class, or the violation if there is none, or more than one."""
        class_id = self._classes.find(class_name)
        if class_id is None:
            return self.unknown_class(class_name)
        sessions = self._sessions[class_id]
        found = [session for session in sessions if session_name.text in _names_of(session, session_name)]
        if len(found) == 1:
            return found[0]
        if found:
            detail = f"{session_name} of {class_name} is the period of one session and the source id of another"
            return Violation("ambiguous_session", f"{detail}; name it in the column sessionId")
        names = ((session.id, name) for session in sessions for name in (session.period, session.source_id))
        detail = f"{class_name} has no {session_name}"
        return NameIndex(SESSION, names).unknown("session_not_of_class", detail, session_name)

    def student_of(self, name: Name) -> int:
        """The id of a student. An unknown name gets a negative id, always the same one.

        The validation of the submission refuses that id, and reveals no student whom the caller may not see.
        """
        student_id = self._students.find(name)
        if student_id is not None:
            return student_id
        return self._unknown_students.setdefault(name, -1 - len(self._unknown_students))

    def unknown_class(self, name: Name) -> Violation:
        """The violation for a class that does not exist, or that the caller does not see."""
        return self._classes.unknown("unknown_class", f"there is no {name} with a session", name)

    def unknown_student(self, code: str, detail: str, name: Name) -> Violation:
        """The violation for a student, with the names of visible students that are close to an unknown name."""
        return self._students.unknown(code, detail, name) if name in self._unknown_students else Violation(code, detail)


def _names_of(session: NamedSession, name: Name) -> tuple[str | None, ...]:
    """The names of a session in the column of `name`."""
    return (str(session.id),) if name.is_own_id else (session.period, session.source_id)


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
