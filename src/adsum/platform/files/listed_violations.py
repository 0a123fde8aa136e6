"""The violations of a file's lines: all are counted, and the first are listed, so that a file of errors stays cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adsum.platform.errors import Invalid, Violation, number_of_errors
from adsum.platform.files.csv_files import CsvForm

MAX_LISTED_VIOLATIONS = 1_000
"""Violations of one file that are listed. Each takes about 1 kB."""


@dataclass(slots=True)
class ListedViolations:
    """The violations of a file: `items`, up to `MAX_LISTED_VIOLATIONS` of them, and the number of all."""

    form: CsvForm
    items: list[Violation] = field(default_factory=list[Violation])
    count: int = 0

    def add(self, line: int, violation: Violation) -> None:
        """Adds a violation of a line."""
        self.count += 1
        if len(self.items) < MAX_LISTED_VIOLATIONS:
            self.items.append(self.form.violation(line, violation))

    def add_located(self, violations: Sequence[Violation]) -> None:
        """Adds violations that name their line already."""
        self.count += len(violations)
        self.items += violations[: MAX_LISTED_VIOLATIONS - len(self.items)]

    def by_line(self) -> list[Violation]:
        """The listed violations in the order of the lines."""
        return sorted(self.items, key=lambda violation: violation.params["row"])

    def refuse(self) -> None:
        """Raises Invalid, if there are any. Its param `total` is the number of all."""
        if self.items:
            raise Invalid(self._detail, self.by_line(), total=self.count)

    def before(self, error: Invalid) -> Invalid:
        """The error of a request without a school, behind the errors that its file has in any school."""
        if not self.items:
            return error
        total = self.count + len(error.violations)
        return Invalid(f"{self._detail}; {error.detail}", [*self.by_line(), *error.violations], total=total)

    @property
    def _detail(self) -> str:
        return f"the file has {number_of_errors(self.count, len(self.items))}"
