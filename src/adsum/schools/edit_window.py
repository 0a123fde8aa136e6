"""For how long teachers may mark and correct a day: after that the office does, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adsum.platform.errors import Violation

MAX_WINDOW = 3_650


@dataclass(frozen=True, slots=True)
class EditWindow:
    """`days`: as many days after the learning date teachers may still write; None: for ever. `today`: the school's."""

    days: int | None
    today: date

    def is_over(self, learning_date: date) -> bool:
        return self.days is not None and (self.today - learning_date).days > self.days

    def violations(
        self, learning_date: date, reason: str | None, *, overrules: bool, pointer: str = "/learningDate"
    ) -> Iterator[Violation]:
        """What is wrong with writing about that day now.

        Args:
            learning_date: of what is written.
            reason: why, if who writes says so.
            overrules: whether who writes is of the office.
            pointer: to the day, in what was sent.
        """
        if not self.is_over(learning_date):
            return
        params = {"date": learning_date.isoformat(), "days": self.days}
        if not overrules:
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: now only the office may write"
            yield Violation("edit_window_over", detail, pointer, params)
        elif not (reason or "").strip():
            detail = f"{learning_date.isoformat()} is more than {self.days} days ago: say why it is written about now"
            yield Violation("reason_missing", detail, "/reason", params)
