"""The client for programs without an event loop. `asynchronous.py` is the same with one. `retries.py` or
`following.py` decides for both, after each answer.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self

import httpx2

from adsum.client import calls
from adsum.client.calls import BatchJobs, Call, Filters, Page, Result
from adsum.client.following import Following
from adsum.client.retries import LOST, Answer, Done, NoAnswer, Outcome, Retries, decide
from adsum.client.session import Session
from adsum.client.values import BatchJob, BatchResult, BatchStatus, Correction, NewBatch, Record


class Client:
    """The API of one Adsum, for one caller.

        with Client("https://adsum.school.example", api_key=key) as client:
            result = client.create_batch(NewBatch(123, 456, date.today(), is_selected_all=True))
            status = client.wait_for_batch(result.batch_id)

    Every method sends its request again after 429, 502, 503, 504 and lost connections, as `Retries` says. A POST has an
    idempotency key for that, so that it is executed once.

    Raises:
        ClientError: from every method: a `Problem` if the API refuses, `ConnectionFailed` if nothing answers.
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
        http: httpx2.Client | None = None,
    ) -> None:
        """Opens no connection.

        Args:
            base_url: such as `https://adsum.school.example`.
            token: of `POST /auth/token`; or
            api_key: of `adsum key create`. One of the two.
            on_behalf_of: email of the person for whom a key with `attendance:act-as` marks.
            timeout: seconds for each of: connecting, sending, and waiting for the next part of an answer.
            http: a client of yours, for its proxies, certificates and limits; you close it.
        """
        self._session = Session(base_url, token, api_key, on_behalf_of, timeout)
        self._retries = retries
        self._http = http or httpx2.Client()
        self._is_own = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._is_own:
            self._http.close()

    def create_batch(self, batch: NewBatch, *, idempotency_key: str | None = None) -> BatchResult:
        """Submits the attendance of a class. When it returns, the batch is durable; workers record it.

        Args:
            batch: the class, session, day and marks.
            idempotency_key: 1 to 255 printable ASCII characters without blanks. With a stored key a program that
                crashed can call again and gets the first answer. None: a new key.

        Raises:
            Invalid: 422. `errors` names every wrong value, or every rule that is broken. Nothing is queued.
            Conflict: 409 `roster_changed` (`params`: who `joined`, who `left`), or `records_exist`.
            Unavailable, ConnectionFailed: not known to be accepted. The same call with the same key is safe.
        """
        return self._send(calls.create_batch(batch, idempotency_key))

    def wait_for_batch(self, batch_id: str, *, timeout: float | None = 300.0) -> BatchStatus:
        """Returns the state of a batch when it has ended. Look at `failed_jobs`: some students may not be recorded.

        Args:
            timeout: seconds; None: without a limit.

        Raises:
            BatchTimeout: it has not ended in time. It goes on.
        """
        with closing(self.follow_batch(batch_id, timeout=timeout)) as states:
            return list(states)[-1]

    def follow_batch(self, batch_id: str, *, timeout: float | None = None) -> Generator[BatchStatus]:
        """Yields the state of a batch, each newer state, and one that has ended. States in between may be left out.

        Listens to server-sent events and resumes after an interruption; asks for the status where nothing else works.

        Args:
            timeout: seconds for all of it; None: without a limit.

        Raises:
            BatchTimeout: it has not ended in time. It goes on.
        """
        following = Following(batch_id, timeout, self._retries, time.monotonic)
        while not following.has_ended:
            time.sleep(following.pause())
            if following.listens:
                yield from self._listen(batch_id, following)
            elif (status := following.answered(self._exchange(following.question))) is not None:
                yield status

    def batch_status(self, batch_id: str) -> BatchStatus:
        """The state of a batch: its newest run, counted from the rows of the database."""
        return self._send(calls.batch_status(batch_id))

    def batch_jobs(self, batch_id: str, *, outcome: str | None = None) -> list[BatchJob]:
        """The students of a batch by id, with their outcomes; with `outcome`, only those, such as `failed`."""
        found = BatchJobs(batch_id, outcome)
        while found.call is not None:
            found.take(self._send(found.call))
        return found.jobs

    def retry_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        """Submits the failed students again. Returns the state of the new run.

        Raises:
            Conflict: 409 `batch_is_open`, `nothing_failed` or `run_pruned`.
        """
        return self._send(calls.retry_batch(batch_id, idempotency_key))

    def cancel_batch(self, batch_id: str, *, idempotency_key: str | None = None) -> BatchStatus:
        """Stops what is not recorded yet. Returns the state, also of a batch that has ended."""
        return self._send(calls.cancel_batch(batch_id, idempotency_key))

    def records(self, filters: Filters | None = None) -> Iterator[Record]:
        """Yields records of attendance, page by page.

        Args:
            filters: of `GET /attendances`: `schoolId`, `classId`, `sessionId`, `studentId`, `from`, `to`, `status`.
        """
        return map(Record.of, self.items("/attendances", filters))

    def correct_record(self, record_id: int, version: int, correction: Correction) -> Record:
        """Changes one record. Returns it with its new version.

        Args:
            version: on which the correction is based, so that it overwrites no other change.

        Raises:
            Conflict: 412 `stale_version`; `params` has the `current` record and the `changes` since.
        """
        return self._send(calls.correct_record(record_id, version, correction))

    def items(self, path: str, filters: Filters | None = None) -> Iterator[dict[str, Any]]:
        """Yields the items of a list, page by page, as they are in the JSON of the API.

        Args:
            path: of a list with cursors, such as `/students`.
            filters: its query parameters, by the names of the API.
        """
        call: Call[Page] | None = calls.first_page(path, filters)
        while call is not None:
            page = self._send(call)
            yield from page.items
            call = calls.page_after(call, page)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Filters | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Calls any endpoint that reads and returns JSON. Returns its answer; None: the answer has no body.

        A POST gets an idempotency key, unless `headers` has one. POSTs of `/auth`, `/keys` and `/users`, which take
        none, are not sent again if they may have been executed.
        """
        return self._send(calls.any_call(method, path, params, json, headers))

    def _send(self, call: Call[Result]) -> Result:
        attempt = 1
        while not isinstance(decision := decide(call, self._exchange(call), attempt, self._retries), Done):
            time.sleep(decision.pause)
            attempt += 1
        return decision.result

    def _exchange(self, call: Call[Any]) -> Outcome:
        try:
            response = self._http.send(self._session.request(call))
        except LOST as error:
            return NoAnswer(error)
        return Answer(response.status_code, response.headers, response.content)

    def _listen(self, batch_id: str, following: Following) -> Iterator[BatchStatus]:
        """One stream of events, from its beginning to its end."""
        try:
            with closing(self._http.send(self._session.listen(batch_id, following), stream=True)) as response:
                if not following.opened(response.status_code, response.headers):
                    following.refused(Answer(response.status_code, response.headers, response.read()))
                    return
                for line in response.iter_lines():
                    if (status := following.line(line)) is not None:
                        yield status
                    if not following.listens:
                        return
        except LOST as error:
            following.lost(error)
        else:
            following.interrupted()
