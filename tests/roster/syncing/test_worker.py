"""`adsum worker` syncs on a schedule, beside its other work."""

from __future__ import annotations

from pathlib import Path

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing
from tests.roster.syncing.conftest import importing
from tests.support.forked import running_forked
from tests.support.live import SECRET, environment
from tests.support.roster_service import RosterService
from tests.support.waiting import until

__all__ = ["importing"]


async def test_a_worker_syncs_on_its_schedule(
    importing: Importing, database_url: str, redis_url: str, real_service: RosterService, tmp_path: Path
) -> None:
    settings = real_service.settings(roster_sync_interval="3600", worker_processes="1")
    given = {"database_url": database_url, "redis_url": redis_url, "secret_key": SECRET, "log_format": "json"}
    log = tmp_path / "log"

    async def is_imported() -> bool:
        return len(await importing.rows(tables.students)) == 86

    with running_forked(["worker", "--processes", "1"], environment(**given, **settings), log) as worker:
        await until(is_imported, seconds=60)
    assert worker.wait(10) == 0
    assert settings["roster_sync_client_secret"] not in worker.output()
