"""The doctor warns of audit entries that stay unsealed."""

from __future__ import annotations

from datetime import timedelta

from adsum.accounts.access import system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.operations.doctor.audit import check_audit
from adsum.operations.doctor.findings import Severity
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database


async def test_entries_that_stay_unsealed_are_a_warning(database: Database) -> None:
    assert (await check_audit(database, system_clock)).severity is Severity.OK
    async with database.transaction() as connection:
        await record(connection, system_caller(), Action.SIGNED_OUT)

    assert (await check_audit(database, system_clock)).severity is Severity.OK
    late = await check_audit(database, lambda: system_clock() + timedelta(minutes=20))
    assert (late.severity, late.message) == (
        Severity.WARNING,
        "1 audit record not sealed, the oldest for 20 minutes",
    )
