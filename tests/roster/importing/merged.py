"""A roster whose two records of one student were merged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.privacy.merging.rules import MergeChoices
from adsum.privacy.merging.service import StudentMerges
from tests.roster.conftest import Importing
from tests.roster.files import Roster, a_school

NOW = datetime(2024, 10, 15, tzinfo=UTC)
KEPT, REMOVED = "student-1", "student-2"


@pytest.fixture
async def roster(importing: Importing) -> Roster:
    """A school of thirty students, of whom the second one is merged into the first one."""
    roster = a_school(students=30)
    await importing.run(roster)
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids[KEPT], ids[REMOVED], MergeChoices(allow_different_names=True), system_caller())
    return roster


async def people(importing: Importing) -> dict[str, tuple[str, bool]]:
    """Name, and whether the newest file has them, of each student, by source id."""
    rows = await importing.rows(tables.students)
    return {row["source_id"]: (row["given_name"], row["active"]) for row in rows if row["merged_into"] is None}
