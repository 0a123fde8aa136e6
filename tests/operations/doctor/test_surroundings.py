"""Reports of the doctor on batches, servers, the queue and workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.queue.control import ConnectedWorker, QueueControl, QueueState
from adsum.batches.submission import Selection, Submission
from adsum.batches.wiring import queue_service
from adsum.operations.doctor import queue as queue_checks
from adsum.operations.doctor import service as doctor_module
from adsum.operations.doctor.findings import FIX, counted, ok
from adsum.operations.doctor.queue import (
    OpenBatches,
    check_open_batches,
    check_queue,
    check_workers,
    find_open_batches,
)
from adsum.operations.doctor.service import Doctor
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.clock import system_clock as now
from adsum.platform.database.engine import RejectedRows
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import QueueOutage
from adsum.platform.redis.shards import Shards
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_queue_control
from tests.operations.doctor.conftest import repaired, severities, wrong
from tests.support.schools import SchoolIds
from tests.support.servers.valkey import tell

IDLE = QueueState(is_paused=False, waiting=0, active=0, delayed=0, failed=0)
SOMEBODY = ConnectedWorker("host:1", 0)


async def test_a_paused_queue_is_a_warning_and_is_not_resumed(settings: Settings, adsum: Adsum, doctor: Doctor) -> None:
    async with open_queue_control(settings) as control:
        await control.pause()
        _, after = await repaired(doctor)
        assert wrong(after)["queue"].remedy == "adsum queue resume"
        assert (await control.state()).is_paused


async def test_files_that_others_can_read_are_closed_to_them(settings: Settings, adsum: Adsum, doctor: Doctor) -> None:
    settings.data_dir.mkdir(mode=0o755)
    settings.data_dir.chmod(0o755)
    done, after = await repaired(doctor)
    assert done == [f"closed {settings.data_dir} to other users"]
    assert "permissions" not in wrong(after)


async def test_a_database_outside_of_the_data_folder_is_closed_with_its_log(
    sqlite_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    async with open_doctor(
        Settings(database_url=sqlite_url, redis_url=redis_url, data_dir=tmp_path / "data")
    ) as doctor:
        await doctor.check()
        log = file.with_name(f"{file.name}-wal")
        for each in (file, log):
            each.chmod(0o644)
        done, after = await repaired(doctor)
    assert f"closed {file}, {log} to other users" in done
    assert "permissions" not in wrong(after)


async def test_without_redis_the_rest_is_checked_and_nothing_is_repaired(
    settings: Settings, adsum: Adsum, tmp_path: Path
) -> None:
    nowhere = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/nowhere"})
    async with open_doctor(nowhere) as doctor:
        report = await doctor.check()
        assert await doctor.repair(report) == []
    assert set(wrong(report)) == {"redis"}
    assert any(each.check == "migrations" for each in report.findings)


async def test_a_redis_that_evicts_keys_is_still_checked(
    settings: Settings, adsum: Adsum, school: SchoolIds, doctor: Doctor, valkey: Valkey
) -> None:
    tell(valkey, "CONFIG SET maxmemory-policy allkeys-lru")
    try:
        assert set(wrong(await doctor.check())) == {"eviction", "workers"}
    finally:
        tell(valkey, "CONFIG SET maxmemory-policy noeviction")


@pytest.mark.parametrize("error", [QueueOutage("gone"), RejectedRows("gone"), TimeoutError()])
async def test_a_server_that_goes_away_in_between_is_a_finding(
    adsum: Adsum, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def vanish(*_: object) -> OpenBatches:
        raise error

    monkeypatch.setattr(doctor_module, "find_open_batches", vanish)
    assert severities(await doctor.check()) == {"batches": "error"}


async def test_the_number_of_checked_messages_is_limited(
    adsum: Adsum, school: SchoolIds, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("2024-12-24", "2024-12-25"):
        request = Submission(school.class_id, school.session_id, day, Selection(is_selected_all=True))
        await adsum.attendances.create_batch(request, system_caller())
    monkeypatch.setattr(queue_checks, "MAX_MESSAGES", 4)  # of six
    asked_about: list[str] = []

    async def listen(_: QueueControl, message_ids: Sequence[str]) -> list[str]:
        asked_about.extend(message_ids)
        return []

    monkeypatch.setattr(QueueControl, "orphaned_messages", listen)
    async with open_queue_control(settings) as control:
        later = now() + timedelta(minutes=2)
        found = await find_open_batches(
            adsum.database, queue_service(settings, Shards.single(redis, "")), control, lambda: later
        )
    assert (found.number, len(asked_about)) == (2, 4)


async def test_a_server_that_hides_its_clients_is_a_warning(
    adsum: Adsum, school: SchoolIds, doctor: Doctor, valkey: Valkey
) -> None:
    tell(valkey, "ACL SETUSER default -client|list")
    try:
        assert severities(await doctor.check()) == {"workers": "warning"}
    finally:
        tell(valkey, "ACL SETUSER default +client|list")


def test_too_few_workers_and_silent_ones_are_warnings() -> None:
    late = OpenBatches(number=3, oldest=timedelta(hours=3))
    (few,) = check_workers([SOMEBODY], IDLE, late)
    assert few.message == "too few: 3 open batches, the oldest for 3 h"
    paused = QueueState(is_paused=True, waiting=3, active=0, delayed=0, failed=0)
    assert [each.severity.value for each in check_workers([SOMEBODY], paused, late)] == ["ok"]
    gone = check_workers([ConnectedWorker("host:2", 300)], IDLE, OpenBatches())
    assert [each.severity.value for each in gone] == ["error", "warning"]
    waiting = "none responds: batches are accepted, and wait"
    assert (gone[0].message, gone[1].remedy) == (waiting, "kill -9 2  # on host")


def test_ages_are_shown_in_a_fitting_unit() -> None:
    for age_, said in ((5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (3 * 86400, "3 d")):
        assert check_open_batches(OpenBatches(1, timedelta(seconds=age_))).message.endswith(f"for {said}")


def test_failed_messages_are_an_error() -> None:
    found = check_queue(QueueState(is_paused=False, waiting=0, active=0, delayed=0, failed=2))
    assert [(each.check, each.remedy) for each in found] == [("queue", None), ("failed messages", FIX)]


def test_counts_list_the_first_names() -> None:
    assert counted(1, "batch", ["a"]) == "1 batch: a"
    assert counted(4, "batch", ["a", "b", "c", "d"]) == "4 batches: a, b, c, …"
    assert counted(1200, "key") == "1,200 keys"
    assert not ok("x", "y").is_repairable
