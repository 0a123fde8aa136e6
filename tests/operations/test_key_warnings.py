"""API keys that need attention are in the log, in the metrics and in the doctor's report."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from adsum.accounts.access import Permission, Role
from adsum.accounts.api_keys.service import ApiKeys
from adsum.operations.doctor.findings import Severity
from adsum.operations.doctor.keys import check_keys
from adsum.operations.key_warnings import KeyWarnings
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database, open_database
from adsum.platform.telemetry import FIELDS
from tests.support.schools import make_user

READ = Permission.ROSTER_READ


@pytest.fixture
async def database(sqlite_url: str) -> AsyncGenerator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


async def test_the_doctor_names_the_keys_and_the_remedy(database: Database) -> None:
    async with database.transaction() as connection:
        await make_user(connection, Role.ADMIN, None, email="it@school.example", password_hash="-")
    keys = ApiKeys(database, system_clock, timedelta(days=30))
    (finding,) = await check_keys(keys)
    assert (finding.severity, finding.message) == (Severity.OK, "0 keys in use")
    await keys.create("sync", [READ], owner="it@school.example")
    (finding,) = await check_keys(keys)
    assert (finding.severity, finding.message) == (Severity.OK, "1 key in use")
    await keys.create("a", [READ], expires_at=system_clock() + timedelta(days=3))
    await keys.create("b", [READ])
    soon, nobodys = await check_keys(keys)
    assert (soon.severity, soon.message) == (Severity.WARNING, "expire within 14 days: 1 key: 2")
    assert (nobodys.message, nobodys.remedy) == ("without an owner: 2 keys: 2, 3", "adsum key change ID --owner EMAIL")
    await keys.close()


async def test_the_log_warns_once_a_day(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    now = system_clock()
    keys = ApiKeys(database, lambda: now)
    warnings = KeyWarnings(keys, lambda: now)
    await keys.create("sync", [READ])
    assert await warnings.log_if_due() == 1
    assert await warnings.log_if_due() == 0
    now += timedelta(days=1)
    assert await warnings.log_if_due() == 1
    assert sum("an API key needs attention" in record.message for record in caplog.records) == 2
    assert {"key_id", "warnings"} <= FIELDS, "other fields are left out of the log"
    await keys.close()
