"""The client for programs with an event loop. `blocking.py` is the same without one. `retries.py` or
`following.py` decides for both, after each answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx2

from adsum.client import calls
from adsum.client.calls import BatchJobs, Call, Filters, Page, Result
from adsum.client.following import Following
from adsum.client.retries import LOST, Answer, Done, NoAnswer, Outcome, Retries, decide
from adsum.client.session import Session
from adsum.client.values import BatchJob, BatchResult, BatchStatus, Correction, NewBatch, Record


class AsyncClient:
    """`Client` for asyncio: the same methods with the same arguments, results and errors, to be awaited.

        async with AsyncClient("https://adsum.school.example", api_key=key) as client:
            result = await client.create_batch(NewBatch(123, 456, "2024-12-30", is_selected_all=True))
            async with aclosing(client.follow_batch(result.batch_id)) as states:
                async for status in states:
                    print(status.progress)

    `follow_batch`, `records` and `items` are iterated with `async for`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        api_key: str | None = None,
        on_behalf_of: str | None = None,
        timeout: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008 - never changes
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Opens no connection. The arguments are those of `Client`; `http` is a client for asyncio."""
        self._session = Session(base_url, token, api_key, on_behalf_of, timeout)
        self._retries = retries
        self._http = http or httpx2.AsyncClient()
        self._is_own = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As `Client.close`."""
        if self._is_own:
            await self._http.aclose()

    async def create_batch(self, batch: NewBatch, *, idempotency_key: str | None = None) -> BatchResult:
        """As `Client.create_batch`."""
        return await self._send(calls.create_batch(batch, idempotency_key))

    async def wait_for_batch(self, batch_id: str, *, timeout: float | None = 300.0) -> BatchStatus:  # noqa: ASYNC109
        """As `Client.wait_for_batch`."""
        async with aclosing(self.follow_batch(batch_id, timeout=timeout)) as states:
            return [status async for status in states][-1]

    async def follow_batch(self, batch_id: str, *, timeout: float | None = None) -> AsyncGenerator[BatchStatus]:  # noqa: ASYNC109
        """As `Client.follow_batch`. A program that stops early closes it: `contextlib.aclosing`."""
        following = Following(batch_id, timeout, self._retries, time.monotonic)
        while not following.has_ended:
            await asyncio.sleep(following.pause())
            if following.listens:
                async with aclosing(self._listen(batch_id, following)) as states:
                    async for status in states:
                        yield status
            elif (status := following.answered(await self._exchange(following.question))) is not None:
                yield status

    async def batch_status(self, batch_id: str) -> BatchStatus:
        """As `Client.batch_status`."""
        return await self._send(calls.batch_status(batch_id))

    async def batch_jobs(self, batch_id: str, *, outcome: str | None = None) -> list[BatchJob]:
        """As `Client.batch_jobs`."""
        found = BatchJobs(batch_id, outcome)
        while found.call is not None:
            found.take(await self._send(found.call))
        return found.jobs

    async def retry_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        """As `Client.retry_batch`."""
        return await self._send(calls.retry_batch(batch_id, idempotency_key))

    async def cancel_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        """As `Client.cancel_batch`."""
        return await self._send(calls.cancel_batch(batch_id, idempotency_key))

    async def records(self, filters: Filters | None = None) -> AsyncGenerator[Record]:
        """As `Client.records`."""
        async for item in self.items("/attendances", filters):
            yield Record.of(item)

    async def correct_record(self, record_id: int, version: int, correction: Correction) -> Record:
        """As `Client.correct_record`."""
        return await self._send(calls.correct_record(record_id, version, correction))

    async def items(self, path: str, filters: Filters | None = None) -> AsyncGenerator[dict[str, Any]]:
        """As `Client.items`."""
        call: Call[Page] | None = calls.first_page(path, filters)
        while call is not None:
            page = await self._send(call)
            for item in page.items:
                yield item
            call = calls.page_after(call, page)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Filters | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """As `Client.request`."""
        return await self._send(calls.any_call(method, path, params, json, headers))

    async def _send(self, call: Call[Result]) -> Result:
        attempt = 1
        while not isinstance(decision := decide(call, await self._exchange(call), attempt, self._retries), Done):
            await asyncio.sleep(decision.pause)
            attempt += 1
        return decision.result

    async def _exchange(self, call: Call[Any]) -> Outcome:
        try:
            response = await self._http.send(self._session.request(call))
        except LOST as error:
            return NoAnswer(error)
        return Answer(response.status_code, response.headers, response.content)

    async def _listen(self, batch_id: str, following: Following) -> AsyncGenerator[BatchStatus]:
        """One stream of events, from its beginning to its end."""
        try:
            response = await self._http.send(self._session.listen(batch_id, following), stream=True)
            async with aclosing(response):
                if not following.opened(response.status_code, response.headers):
                    following.refused(Answer(response.status_code, response.headers, await response.aread()))
                    return
                async for line in response.aiter_lines():
                    if (status := following.line(line)) is not None:
                        yield status
                    if not following.listens:
                        return
        except LOST as error:
            following.lost(error)
        else:
            following.interrupted()
