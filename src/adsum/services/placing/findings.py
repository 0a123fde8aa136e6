"""What an import finds on its way: flaws, what it ignores, and files whose silence means nothing."""

from __future__ import annotations

from collections import Counter

from adsum.errors import Flaw
from adsum.oneroster.flaws import file_flaw
from adsum.oneroster.rows import LeftOut

MAX_FLAWS = 100_000


class Findings:
    """Collects; `flaws` holds the first `MAX_FLAWS` of `flaw_count`."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.flaw_count = 0
        self.ignored: Counter[str] = Counter()
        self._partly_read: set[str] = set()

    def add(self, *flaws: Flaw) -> None:
        self.flaw_count += len(flaws)
        self.flaws.extend(flaws[: MAX_FLAWS - len(self.flaws)])

    def leave_out(self, file: str, entry: LeftOut) -> None:
        """Notes the flaws of a row. A row of nobody knows whom makes the file's silence about others meaningless."""
        self.add(*entry.flaws)
        if entry.source_id is None and file not in self._partly_read:
            self._partly_read.add(file)
            detail = "some rows cannot be read, so nobody is ended for not being in this file"
            self.add(file_flaw("partly_read", file, detail))

    def is_wholly_read(self, file: str) -> bool:
        return file not in self._partly_read

    def ignore(self, file: str, what: str) -> None:
        self.ignored[f"{file}: {what}"] += 1

    def in_order(self) -> tuple[Flaw, ...]:
        """The flaws by file and row."""
        return tuple(sorted(self.flaws, key=lambda flaw: (flaw.params.get("file", ""), flaw.params.get("row", 0))))
