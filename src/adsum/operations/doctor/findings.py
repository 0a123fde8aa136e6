"""Findings of the doctor: the result of a check, and the command that repairs a fault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

FIX = "adsum doctor --fix"
_LISTED = 3


class Severity(StrEnum):
    """Only an error makes `doctor` fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: name of the check, such as `database`.
        severity: of the fault.
        message: one line without personal data.
        remedy: the command that repairs the fault, or the setting to change; None without a fault.
    """

    check: str
    severity: Severity
    message: str
    remedy: str | None = None

    @property
    def is_repairable(self) -> bool:
        """Whether `doctor --fix` repairs it."""
        return self.remedy == FIX


def ok(check: str, message: str) -> Finding:
    """A check without a fault."""
    return Finding(check, Severity.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """A fault that does not stop the processing, but may soon."""
    return Finding(check, Severity.WARNING, message, remedy)


def error(check: str, message: str, remedy: str) -> Finding:
    """A fault that stops the processing or risks data."""
    return Finding(check, Severity.ERROR, message, remedy)


def has_no_error(findings: Iterable[Finding]) -> bool:
    """Whether no finding is an error. Warnings are allowed."""
    return all(finding.severity is not Severity.ERROR for finding in findings)


def counted(number: int, noun: str, ids: Sequence[str] = ()) -> str:
    """`3 locks: a, b, c`, `1 lock: a`, `9 locks: a, b, c, …`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    listed = [*ids[:_LISTED], *(["…"] if len(ids) > _LISTED else [])]
    return f"{number:,} {noun if number == 1 else plural}" + (f": {', '.join(listed)}" if listed else "")
