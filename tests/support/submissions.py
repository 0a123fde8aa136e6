"""Submissions for a school of the tests, and their outcomes."""

from __future__ import annotations

from typing import Any

from adsum.batches.rules import BatchStatus
from adsum.batches.run import Run
from adsum.batches.submission import BatchResult, Selection, Submission
from adsum.wiring import Adsum
from tests.support.runs import DAY, failures
from tests.support.schools import SchoolIds


def submission(school: SchoolIds, **fields: Any) -> Submission:
    """Returns a submission that marks the whole class present on `DAY`, unless `fields` override this."""
    wanted: dict[str, Any] = {"learning_date": DAY.isoformat(), "selection": Selection(is_selected_all=True)}
    return Submission(school.class_id, school.session_id, **wanted | fields)


async def status_of(adsum: Adsum, result: BatchResult) -> BatchStatus:
    return await adsum.attendances.get_batch_status(result.batch_id)


async def failed_students(adsum: Adsum, run: Run) -> list[str]:
    """Returns the failure code of each failed student."""
    async with adsum.database.snapshot() as connection:
        return list((await failures(connection, run)).values())
