"""Statements about absences use indexes, according to the query plans of both databases."""

from __future__ import annotations

import re
from datetime import date

from adsum.absences.repository.planned import queue_due_absences
from adsum.absences.rules import Absence, PlannedAbsence
from adsum.platform.database.engine import Database
from tests.support.statements import plans_of

DAY = date(2024, 12, 25)
PLANNED = PlannedAbsence(1, 1, 1, 1, None, Absence(DAY, DAY, "excused", reason="doctor"))


async def test_queueing_absences_reads_open_runs_only(database: Database) -> None:
    """Reading the runs of all days takes seconds, while the transaction holds the session fences."""
    (plan,) = await plans_of(database, lambda connection: queue_due_absences(connection, [PLANNED]))
    reads = [line for line in plan if "batch_runs" in line or line.startswith(("SCAN r", "SEARCH r"))]
    index = "(uq|ix)_batch_runs_open" if database.is_postgres else r"uq_batch_runs_open \(session_id=\?"
    assert len(reads) == 1, plan
    assert re.search(index, reads[0]), plan
