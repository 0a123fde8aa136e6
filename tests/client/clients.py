"""Both clients behind one interface, so that one test covers both: `Awaited` runs the asynchronous one to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from adsum.client import (
    AsyncClient,
    BatchJob,
    BatchResult,
    BatchStatus,
    Client,
    Correction,
    NewBatch,
    Record,
)

Result = TypeVar("Result")
Filters = Mapping[str, str | int | bool]


class AnyClient(Protocol):
    """The methods of `Client` and `Awaited`."""

    def create_batch(self, batch: NewBatch, *, idempotency_key: str | None = None) -> BatchResult: ...
    def wait_for_batch(self, batch_id: str, *, timeout: float | None = 300.0) -> BatchStatus: ...
    def follow_batch(self, batch_id: str, *, timeout: float | None = None) -> Generator[BatchStatus]: ...
    def batch_status(self, batch_id: str) -> BatchStatus: ...
    def batch_jobs(self, batch_id: str, *, outcome: str | None = None) -> list[BatchJob]: ...
    def retry_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus: ...
    def cancel_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus: ...
    def records(self, filters: Filters | None = None) -> Iterator[Record]: ...
    def correct_record(self, record_id: int, version: int, correction: Correction) -> Record: ...
    def items(self, path: str, filters: Filters | None = None) -> Iterator[dict[str, Any]]: ...
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Filters | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any: ...
    def close(self) -> None: ...


class Awaited:
    """An `AsyncClient` on an event loop of its own."""

    def __init__(self, address: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(address, **options)

    def close(self) -> None:
        self._run(self._client.close())
        self._runner.close()

    def create_batch(self, batch: NewBatch, *, idempotency_key: str | None = None) -> BatchResult:
        return self._run(self._client.create_batch(batch, idempotency_key=idempotency_key))

    def wait_for_batch(self, batch_id: str, *, timeout: float | None = 300.0) -> BatchStatus:
        return self._run(self._client.wait_for_batch(batch_id, timeout=timeout))

    def follow_batch(self, batch_id: str, *, timeout: float | None = None) -> Generator[BatchStatus]:
        return self._each(self._client.follow_batch(batch_id, timeout=timeout))

    def batch_status(self, batch_id: str) -> BatchStatus:
        return self._run(self._client.batch_status(batch_id))

    def batch_jobs(self, batch_id: str, *, outcome: str | None = None) -> list[BatchJob]:
        return self._run(self._client.batch_jobs(batch_id, outcome=outcome))

    def retry_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        return self._run(self._client.retry_batch(batch_id, idempotency_key=idempotency_key))

    def cancel_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        return self._run(self._client.cancel_batch(batch_id, idempotency_key=idempotency_key))

    def records(self, filters: Filters | None = None) -> Iterator[Record]:
        return self._each(self._client.records(filters))

    def correct_record(self, record_id: int, version: int, correction: Correction) -> Record:
        return self._run(self._client.correct_record(record_id, version, correction))

    def items(self, path: str, filters: Filters | None = None) -> Iterator[dict[str, Any]]:
        return self._each(self._client.items(path, filters))

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Filters | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        return self._run(self._client.request(method, path, params=params, json=json, headers=headers))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def _each(self, values: AsyncGenerator[Result]) -> Generator[Result]:
        async def next_value() -> list[Result]:
            return [value async for value in _first(values)]

        try:
            while found := self._run(next_value()):
                yield from found
        finally:
            self._run(_closed(values))


KINDS: dict[str, type[Client | Awaited]] = {"blocking": Client, "asynchronous": Awaited}


async def _first(values: AsyncGenerator[Result]) -> AsyncGenerator[Result]:
    """The next value, if there is one."""
    try:
        yield await anext(values)
    except StopAsyncIteration:
        return


async def _closed(values: AsyncGenerator[Result]) -> None:
    await values.aclose()
