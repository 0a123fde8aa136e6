"""The statuses that a school can record, such as present and absent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from adsum.platform.errors import Violation

PRESENT = "present"
ABSENT = "absent"
# create-batch writes these two for whole classes, so they cannot be retired.
ALWAYS_IN_USE = frozenset({PRESENT, ABSENT})
MAX_CODE = 32
MAX_LABEL = 64
MAX_POSITION = 1_000
_CODE = re.compile(r"[a-z][a-z0-9_-]*")


class CountsAs(StrEnum):
    """How counts treat a status. `not_expected` counts neither as attended nor as absent."""

    ATTENDED = "attended"
    ABSENT = "absent"
    NOT_EXPECTED = "not_expected"


class StatusFlag(StrEnum):
    """Further properties of a status."""

    LATE = "late"
    LEFT_EARLY = "left_early"
    PARTIAL = "partial"
    AUTHORISED = "authorised"
    OFF_SITE = "off_site"


@dataclass(frozen=True, slots=True)
class Status:
    """One status of a school.

    Attributes:
        code: recorded with each mark. It, `counts_as` and `flags` never change, so that history keeps its meaning.
        label: for people.
        letter: one character, on registers and on the keyboard.
        counts_as: how counts treat it.
        flags: its further properties.
        position: in lists, the lowest first.
        retired_at: from then on it cannot be given; None: it is in use.
    """

    code: str
    label: str
    letter: str
    counts_as: CountsAs
    flags: frozenset[StatusFlag] = frozenset()
    position: int = 100
    retired_at: datetime | None = None

    @property
    def is_in_use(self) -> bool:
        return self.retired_at is None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """New values of a status; None keeps the old one."""

    label: str | None = None
    letter: str | None = None
    position: int | None = None
    retired: bool | None = None


DEFAULTS = (
    Status(PRESENT, "Present", "P", CountsAs.ATTENDED, position=1),
    Status(ABSENT, "Absent", "A", CountsAs.ABSENT, position=2),
    Status("late", "Late", "L", CountsAs.ATTENDED, frozenset({StatusFlag.LATE}), position=3),
    Status("excused", "Excused", "E", CountsAs.ABSENT, frozenset({StatusFlag.AUTHORISED}), position=4),
)
"""The statuses of a new school."""


class SchoolStatuses:
    """The statuses of one school: the defaults, with the changes and additions of the school.

    `letters`: those of the defaults, in their order; None: those that `DEFAULTS` has.
    """

    def __init__(self, own: Iterable[Status] = (), letters: str | None = None) -> None:
        defaults = DEFAULTS if letters is None else _with_letters(letters)
        by_code = {status.code: status for status in (*defaults, *own)}
        self._by_code = dict(sorted(by_code.items(), key=lambda item: (item[1].position, item[0])))

    def __iter__(self) -> Iterator[Status]:
        """In the school's order."""
        return iter(self._by_code.values())

    def get(self, code: str) -> Status | None:
        return self._by_code.get(code)

    def codes_named(self, text: str) -> list[str]:
        """The codes of the statuses that people may mean: of this code, or in use with this letter or label.

        More than one if the text is ambiguous. Case matters only where it tells statuses apart.
        """
        if text in self._by_code:
            return [text]
        exact = [status.code for status in self if status.is_in_use and text in {status.letter, status.label}]
        if exact:
            return exact
        folded = text.casefold()
        names = {status.code: (status.code, status.letter, status.label) for status in self if status.is_in_use}
        return [code for code, every in names.items() if folded in {name.casefold() for name in every}]

    @property
    def in_use(self) -> list[str]:
        """The codes that can be given."""
        return [status.code for status in self if status.is_in_use]

    @property
    def unexplained(self) -> list[str]:
        """The codes of absences that are not authorised, including retired ones."""
        return [
            status.code
            for status in self
            if status.counts_as is CountsAs.ABSENT and StatusFlag.AUTHORISED not in status.flags
        ]

    @property
    def absences(self) -> list[str]:
        """The codes of absences that can be given."""
        return [status.code for status in self if status.is_in_use and status.counts_as is CountsAs.ABSENT]

    @property
    def authorised_absences(self) -> list[str]:
        """The codes of authorised absences that can be given. They explain an absence."""
        return [code for code in self.absences if StatusFlag.AUTHORISED in self._by_code[code].flags]

    @property
    def on_site(self) -> list[str]:
        """The codes of marks that have a student on site, including retired ones."""
        return [each.code for each in self._attended_on_site if StatusFlag.LEFT_EARLY not in each.flags]

    @property
    def on_site_until_left(self) -> list[str]:
        """The codes of marks that have a student on site up to the time at which they left, including retired ones."""
        return [each.code for each in self._attended_on_site]

    @property
    def _attended_on_site(self) -> list[Status]:
        return [each for each in self if each.counts_as is CountsAs.ATTENDED and StatusFlag.OFF_SITE not in each.flags]

    def violation_of(self, code: str, pointer: str) -> Violation | None:
        """The violation in giving this status, if there is one."""
        status, params = self.get(code), {"allowed": self.in_use}
        if status is None:
            wrong = f"{code[:40]!r} is not a status of the school" if code.strip() else "the status is empty"
            return Violation("unknown_status", f"{wrong}: use one of {self._allowed}", pointer, params)
        if not status.is_in_use:
            return Violation("retired_status", f"{code!r} is retired: use one of {self._allowed}", pointer, params)
        return None

    @property
    def _allowed(self) -> str:
        return ", ".join(self.in_use)


def _with_letters(letters: str) -> list[Status]:
    return [replace(status, letter=letter) for status, letter in zip(DEFAULTS, letters, strict=True)]


def validate_status(status: Status) -> list[Violation]:
    """All violations in a status by itself, without regard to other statuses."""
    violations: list[Violation] = []
    if not _CODE.fullmatch(status.code) or len(status.code) > MAX_CODE:
        detail = f"a code has at most {MAX_CODE} of a-z, 0-9, _ and -, and begins with a letter"
        violations.append(Violation("wrong_code", detail, "/code", {"most": MAX_CODE}))
    if not status.label.strip() or len(status.label) > MAX_LABEL or _is_hidden(status.label):
        violations.append(Violation("wrong_label", f"a label has 1 to {MAX_LABEL} visible characters", "/label"))
    if len(status.letter) != 1 or status.letter.isspace() or _is_hidden(status.letter):
        violations.append(Violation("wrong_letter", "a letter is one visible character", "/letter"))
    if not 0 <= status.position <= MAX_POSITION:
        violations.append(Violation("out_of_range", f"a position is 0 to {MAX_POSITION}", "/position"))
    return violations


def _is_hidden(text: str) -> bool:
    """Whether it has control characters, unpaired surrogates or characters that change the direction of text."""
    return any(unicodedata.category(character) in {"Cc", "Cs", "Cf"} for character in text)


@dataclass(frozen=True, slots=True)
class ShownStatus:
    """A status on a page. `tone` is the class of the stylesheet for its colour."""

    code: str
    label: str
    letter: str
    tone: str
    is_in_use: bool


def shown_statuses(statuses: SchoolStatuses) -> Mapping[str, ShownStatus]:
    """All statuses of a school by code, in its order, including retired ones, which history may show."""
    return {
        each.code: ShownStatus(each.code, each.label, each.letter, tone_of(each), each.is_in_use) for each in statuses
    }


def tone_of(status: Status) -> str:
    """`attended`, `late`, `absent`, `authorised` or `not_expected`."""
    if status.counts_as is CountsAs.ATTENDED and StatusFlag.LATE in status.flags:
        return "late"
    if status.counts_as is CountsAs.ABSENT and StatusFlag.AUTHORISED in status.flags:
        return "authorised"
    return status.counts_as.value
