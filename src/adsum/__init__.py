"""Adsum, "I am present": records the attendance of a whole class in one request, every student exactly once.

As a library, on the configured servers or those of a running `adsum up`:

    async with adsum.open() as service:
        result = await service.process_batch_attendances(attendances, adsum.system_caller())
        status = await service.get_batch_status(result.batch_id)
        print(f"Remaining jobs: {status.remaining_jobs}")
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adsum.accounts.access import Caller, system_caller
    from adsum.attendance.rules import Mark
    from adsum.batches.process import AttendanceProcessor
    from adsum.batches.queue.service import QueueService
    from adsum.batches.rules import BatchStatus, OnExisting
    from adsum.batches.service import Attendance, AttendancesService
    from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
    from adsum.platform.errors import (
        AdsumError,
        ConfigurationError,
        Forbidden,
        IdempotencyKeyReused,
        Invalid,
        NotFound,
        RecordsExist,
        RosterChanged,
        Unavailable,
        Violation,
    )
    from adsum.platform.settings import Settings

__version__ = "0.1.0"
__all__ = [
    "AdsumError",
    "Attendance",
    "AttendanceProcessor",
    "AttendancesService",
    "BatchResult",
    "BatchStatus",
    "Caller",
    "ConfigurationError",
    "Forbidden",
    "IdempotencyKeyReused",
    "Invalid",
    "Mark",
    "NotFound",
    "OnExisting",
    "QueueService",
    "RecordsExist",
    "RosterChanged",
    "Selection",
    "Settings",
    "StudentMark",
    "Submission",
    "Unavailable",
    "Violation",
    "open",
    "system_caller",
]

_MODULES = {
    "AdsumError": "platform.errors",
    "Attendance": "batches.service",
    "AttendanceProcessor": "batches.process",
    "AttendancesService": "batches.service",
    "BatchResult": "batches.submission",
    "BatchStatus": "batches.rules",
    "Caller": "accounts.access",
    "ConfigurationError": "platform.errors",
    "Forbidden": "platform.errors",
    "IdempotencyKeyReused": "platform.errors",
    "Invalid": "platform.errors",
    "Mark": "attendance.rules",
    "NotFound": "platform.errors",
    "OnExisting": "batches.rules",
    "QueueService": "batches.queue.service",
    "RecordsExist": "platform.errors",
    "RosterChanged": "platform.errors",
    "Selection": "batches.submission",
    "Settings": "platform.settings",
    "StudentMark": "batches.submission",
    "Submission": "batches.submission",
    "Unavailable": "platform.errors",
    "Violation": "platform.errors",
    "system_caller": "accounts.access",
}


@asynccontextmanager
async def open(settings: Settings | None = None) -> AsyncGenerator[AttendancesService]:  # noqa: A001 - adsum.open()
    """Opens the database and Redis of these settings, or of the environment, and closes them at the end of the block.

    Raises:
        ConfigurationError: a setting is wrong, or the database lacks migrations.
    """
    from adsum import wiring  # noqa: PLC0415 - `import adsum` loads neither the database nor the queue
    from adsum.platform.settings import load_settings  # noqa: PLC0415

    async with wiring.open_adsum(settings or load_settings()) as opened:
        await opened.readiness.require_current_schema()
        yield opened.attendances


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'adsum' has no attribute {name!r}")
    return getattr(import_module(f"adsum.{_MODULES[name]}"), name)
