"""A client of the HTTP API, for other systems. It needs httpx2 and nothing of the server.

    from adsum.client import Client, NewBatch

    with Client("https://adsum.school.example", api_key=key) as client:
        result = client.create_batch(NewBatch(123, 456, "2024-12-30", is_selected_all=True))
        status = client.wait_for_batch(result.batch_id)
        print(f"Recorded: {status.recorded_jobs}, failed: {status.failed_jobs}")

`AsyncClient` has the same methods for programs with an event loop. `verify_webhook` checks messages from Adsum.
"""

from __future__ import annotations

from adsum.client.asynchronous import AsyncClient
from adsum.client.blocking import Client
from adsum.client.errors import (
    BatchTimeout,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Violation,
    WrongSignature,
)
from adsum.client.retries import Retries
from adsum.client.values import (
    BatchJob,
    BatchResult,
    BatchStatus,
    BatchWarning,
    Correction,
    MarkConflict,
    NewBatch,
    Record,
    StudentMark,
)
from adsum.client.webhooks import verify_webhook

__all__ = [
    "AsyncClient",
    "BatchJob",
    "BatchResult",
    "BatchStatus",
    "BatchTimeout",
    "BatchWarning",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Correction",
    "Forbidden",
    "Invalid",
    "MarkConflict",
    "NewBatch",
    "NotFound",
    "Problem",
    "Record",
    "Retries",
    "StudentMark",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Violation",
    "WrongSignature",
    "verify_webhook",
]
