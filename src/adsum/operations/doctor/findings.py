"""What a check has found: one line that says how it is, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adsum.platform.errors import AdsumError

FIX = "adsum doctor --fix"
_SHOWN = 3


class Severity(StrEnum):
    """Only an error makes `doctor` fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, such as `database`.
        severity: how bad it is.
        message: how it is, in one line, without anything about a student.
        remedy: the command that mends it, or what to change; None where nothing is wrong.
    """

    check: str
    severity: Severity
    message: str
    remedy: str | None = None

    @property
    def is_mendable(self) -> bool:
        """Whether `doctor --fix` mends it."""
        return self.remedy == FIX


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Severity.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It works, and may not for long."""
    return Finding(check, Severity.WARNING, message, remedy)


def error(check: str, message: str, remedy: str) -> Finding:
    """Something is not done, or may be lost."""
    return Finding(check, Severity.ERROR, message, remedy)


def all_well(findings: Iterable[Finding]) -> bool:
    """Whether nothing is an error."""
    return all(finding.severity is not Severity.ERROR for finding in findings)


def counted(number: int, what: str, ids: Sequence[str] = ()) -> str:
    """`3 locks: a, b, c`, `1 lock: a`, `9 locks: a, b, c, …`."""
    plural = what if number == 1 else f"{what}es" if what.endswith("ch") else f"{what}s"
    listed = [*ids[:_SHOWN], *(["…"] if len(ids) > _SHOWN else [])]
    return f"{number:,} {plural}" + (f": {', '.join(listed)}" if listed else "")


def reason(outage: AdsumError) -> str:
    """What the server or its driver said, in one line: for whoever has the servers' credentials anyway."""
    cause = outage.__cause__
    said = str(getattr(cause, "orig", cause) or outage.detail).strip().partition("\n")[0]
    return said.partition(">: ")[2] or said  # SQLAlchemy writes the type before: `<class 'X'>: text`
