"""The doctor warns of audit entries that stay unsealed."""

from __future__ import annotations

from datetime import timedelta

from adsum.accounts.access import system_caller
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.operations.doctor.audit import check_audit
from adsum.operations.doctor.findings import Severity
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.keys import KeyRing

KEYS = KeyRing.of("k" * 40)


async def test_entries_that_stay_unsealed_are_a_warning(database: Database) -> None:
    assert (await check_audit(database, KEYS, system_clock)).severity is Severity.OK
    async with database.transaction() as connection:
        await record(connection, system_caller(), Action.SIGNED_OUT)

    assert (await check_audit(database, KEYS, system_clock)).severity is Severity.OK
    late = await check_audit(database, KEYS, lambda: system_clock() + timedelta(minutes=20))
    assert (late.severity, late.message) == (
        Severity.WARNING,
        "1 audit entry not sealed, the oldest for 20 minutes",
    )


async def test_a_log_that_no_valid_key_has_signed_is_an_error(database: Database) -> None:
    async with database.transaction() as connection:
        await record(connection, system_caller(), Action.SIGNED_OUT)
    await Sealing(database, ChainKeys(KEYS)).seal()

    by_other = await check_audit(database, KeyRing.of("o" * 40), system_clock)

    assert by_other.severity is Severity.ERROR
    assert "audit sign" in str(by_other)
    assert (await check_audit(database, KEYS, system_clock)).severity is Severity.OK
    assert (await check_audit(database, KeyRing.of(None), system_clock)).severity is Severity.OK
