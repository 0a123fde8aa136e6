"""Schools and the edit window: for how long teachers may mark and correct a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adsum.platform.errors import Violation

MAX_EDIT_WINDOW_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class School:
    """A school.

    Attributes:
        source_id: its id in the roster file.
        time_zone: an IANA name.
        edit_window_days: days after a learning date within which teachers may mark and correct; None: no limit.
    """

    id: int
    source_id: str | None
    name: str
    time_zone: str
    edit_window_days: int | None


@dataclass(frozen=True, slots=True)
class EditWindow:
    """The edit window of a school. `days`: days after the learning date; None: no limit. `today`: the school's."""

    days: int | None
    today: date

    def is_over(self, learning_date: date) -> bool:
        return self.days is not None and (self.today - learning_date).days > self.days

    def violations(
        self, learning_date: date, reason: str | None, *, overrules: bool, pointer: str = "/learningDate"
    ) -> Iterator[Violation]:
        """Violations of a change that is made today. After the window, only the office may write, with a reason.

        Args:
            learning_date: of the change.
            reason: for the change, if there is one.
            overrules: whether the caller belongs to the office.
            pointer: to the learning date in the request.
        """
        if not self.is_over(learning_date):
            return
        params = {"date": learning_date.isoformat(), "days": self.days}
        if not overrules:
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: now only the office may write"
            yield Violation("edit_window_over", detail, pointer, params)
        elif not (reason or "").strip():
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: a reason is required"
            yield Violation("reason_missing", detail, "/reason", params)
