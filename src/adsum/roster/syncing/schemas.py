"""The models of a sync."""

from __future__ import annotations

from typing import Self

from adsum.roster.importing.schemas import ImportAnswer
from adsum.roster.syncing.rules import SyncReport


class SyncAnswer(ImportAnswer):
    """The outcome of a sync. `full`: everything was read, not only the changes."""

    source: str
    full: bool

    @classmethod
    def of_sync(cls, report: SyncReport) -> Self:
        answer = ImportAnswer.of(report.imported)
        return cls(
            **{name: getattr(answer, name) for name in ImportAnswer.model_fields},
            source=report.source,
            full=report.is_full,
        )
