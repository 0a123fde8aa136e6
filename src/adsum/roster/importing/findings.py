"""What an import finds on its way: violations, what it ignores, and files whose silence means nothing."""

from __future__ import annotations

from collections import Counter

from adsum.platform.errors import Violation
from adsum.roster.oneroster.rows import LeftOut
from adsum.roster.oneroster.violations import file_violation

MAX_VIOLATIONS = 100_000


class Findings:
    """Collects; `violations` holds the first `MAX_VIOLATIONS` of `violation_count`."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.violation_count = 0
        self.ignored: Counter[str] = Counter()
        self._partly_read: set[str] = set()

    def add(self, *violations: Violation) -> None:
        self.violation_count += len(violations)
        self.violations.extend(violations[: MAX_VIOLATIONS - len(self.violations)])

    def leave_out(self, file: str, entry: LeftOut) -> None:
        """Notes the violations of a row. A row without an id makes the absence of other rows meaningless."""
        self.add(*entry.violations)
        if entry.source_id is None and file not in self._partly_read:
            self._partly_read.add(file)
            detail = "some rows cannot be read, so nobody is ended for not being in this file"
            self.add(file_violation("partly_read", file, detail))

    def is_wholly_read(self, file: str) -> bool:
        return file not in self._partly_read

    def ignore(self, file: str, what: str) -> None:
        self.ignored[f"{file}: {what}"] += 1

    def in_order(self) -> tuple[Violation, ...]:
        """The violations by file and row."""
        return tuple(
            sorted(
                self.violations,
                key=lambda violation: (violation.params.get("file", ""), violation.params.get("row", 0)),
            )
        )
