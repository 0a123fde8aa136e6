"""The finding about the standby for reading. It is never an error."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from adsum.operations.doctor.findings import Finding, Severity
from adsum.operations.doctor.standby import judge_standby
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.database.standby import StandbyState
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from tests.support.servers.standby import StandbyPair
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("state", "severity", "message"),
    [
        (StandbyState.OK, Severity.OK, "0.2 s behind"),
        (StandbyState.BEHIND, Severity.WARNING, "more than 10 s behind"),
        (StandbyState.UNREACHABLE, Severity.WARNING, "does not answer"),
        (StandbyState.FOREIGN, Severity.WARNING, "no standby of the primary"),
    ],
)
def test_the_finding_names_the_state(state: StandbyState, severity: Severity, message: str) -> None:
    finding = judge_standby(state, 0.2 if state is StandbyState.OK else math.nan, 10)
    assert finding.severity is severity
    assert message in finding.message


async def test_the_doctor_asks_the_standby(replicated_pair: StandbyPair, redis_url: str) -> None:
    pair = replicated_pair
    settings = Settings(database_url=pair.url, database_read_url=pair.standby_url, redis_url=redis_url)

    async def is_read() -> bool:
        found = await finding(settings)
        return found.severity is Severity.OK and "are read from it" in found.message

    await until(is_read)
    pair.standby.postgres.ask(pair.database, "SELECT pg_wal_replay_pause()")
    pair.primary.postgres.ask(pair.database, "INSERT INTO schools (name, time_zone) VALUES ('Lindenhof', 'UTC')")
    assert (await finding(settings)).severity is Severity.WARNING


async def finding(settings: Settings) -> Finding:
    async with open_doctor(settings) as doctor:
        return {each.check: each for each in (await doctor.check()).findings}["standby"]


async def test_a_connection_to_the_standby_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """Nobody listens on port 1."""
    settings = Settings(
        database_url="postgresql://adsum@127.0.0.1:1/adsum",
        database_read_url="postgresql://adsum@db.invalid/adsum",
        redis_url="redis://127.0.0.1:1/0",
        data_dir=tmp_path,
    )
    async with open_doctor(settings) as doctor:
        (found,) = [each for each in (await doctor.check()).findings if each.check == "connections"]
    assert found.severity is Severity.WARNING
    assert "db.invalid" in found.message
    assert found.remedy == "add sslmode=verify-full to ADSUM_DATABASE_READ_URL"


async def test_a_standby_of_sqlite_is_refused(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db", database_read_url="postgresql://a/db")
    with pytest.raises(ConfigurationError, match="no Postgres"):
        async with open_doctor(settings):
            pass
