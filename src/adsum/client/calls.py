"""The calls of the API as values: what is sent, how the answer is read, and whether the call may be repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from adsum.client.values import BatchJob, BatchResult, BatchStatus, Correction, Json, NewBatch, Record, of_type

Result = TypeVar("Result")
Filters = Mapping[str, str | int | bool]

PAGE_SIZE = 200
KEY = "Idempotency-Key"
# POSTs that take no idempotency key and whose repetition could have another answer or effect than the first one.
ONCE = re.compile(r"/(auth|keys|users|webhooks)(/.*)?|/schools/[^/]+/readmissions")
READING = re.compile(r"/(users|students|absences)/search")


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One call.

    Attributes:
        read: makes the result of the JSON of a successful answer; None: the answer has no body.
        is_repeatable: whether it may be sent again although it may have been executed.
    """

    method: str
    path: str
    read: Callable[[Any], Result]
    params: Filters = field(default_factory=dict[str, str | int | bool])
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    items: list[dict[str, Any]]
    next_cursor: str | None

    @classmethod
    def of(cls, body: Json) -> Page:
        return cls(body["items"], body["nextCursor"])


def any_call(
    method: str, path: str, params: Filters | None, json: object, headers: Mapping[str, str] | None
) -> Call[Any]:
    """A call of any endpoint that reads and returns JSON."""
    method = method.upper()
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if method == "POST":
        given.setdefault(KEY.lower(), new_key())
    once = method == "POST" and ONCE.fullmatch(path) is not None and READING.fullmatch(path) is None
    return Call(method, path, _as_it_is, params or {}, json, given, is_repeatable=not once)


def create_batch(batch: NewBatch, idempotency_key: str | None) -> Call[BatchResult]:
    """`POST /attendances/create-batch`."""
    return _post("/attendances/create-batch", BatchResult.of, batch.to_json(), idempotency_key)


def batch_status(batch_id: str) -> Call[BatchStatus]:
    """`GET /attendances/batch-status/{batchId}`."""
    return Call("GET", f"/attendances/batch-status/{_quoted(batch_id)}", BatchStatus.of)


def retry_batch(batch_id: str, idempotency_key: str | None) -> Call[BatchStatus]:
    """`POST /attendances/batches/{batchId}/retry`."""
    return _post(f"{_path(batch_id)}/retry", BatchStatus.of, None, idempotency_key)


def cancel_batch(batch_id: str, idempotency_key: str | None) -> Call[BatchStatus]:
    """`POST /attendances/batches/{batchId}/cancel`."""
    return _post(f"{_path(batch_id)}/cancel", BatchStatus.of, None, idempotency_key)


def correct_record(record_id: int, version: int, correction: Correction) -> Call[Record]:
    """`PATCH /attendances/{id}`. A repetition gets the first answer: the API recognises its own correction."""
    path = f"/attendances/{of_type('record_id', record_id, int)}"
    headers = {"If-Match": f'"{of_type("version", version, int)}"'}
    changes = dict(of_type("correction", correction, Mapping))
    return Call("PATCH", path, Record.of, json=changes, headers=headers)


def first_page(path: str, filters: Filters | None) -> Call[Page]:
    """The first page of a list."""
    return Call("GET", path, Page.of, {"limit": PAGE_SIZE, **(filters or {})})


def page_after(call: Call[Page], page: Page) -> Call[Page] | None:
    """The call for the next page; None: this was the last one."""
    return replace(call, params={**call.params, "cursor": page.next_cursor}) if page.next_cursor is not None else None


class BatchJobs:
    """Collects the students of a batch, page by page.

    Attributes:
        call: for the next page; None: `jobs` is complete.
    """

    def __init__(self, batch_id: str, outcome: str | None) -> None:
        params = {"limit": PAGE_SIZE} | ({"outcome": outcome} if outcome is not None else {})
        self._first: Call[Json] = Call("GET", _path(batch_id), _as_it_is, params)
        self.call: Call[Json] | None = self._first
        self.jobs: list[BatchJob] = []
        self._run_id = ""

    def take(self, batch: Json) -> None:
        """Adds a page. Pages of another run begin again, since that run may have other students."""
        if self.jobs and batch["runId"] != self._run_id:
            self.jobs, self.call = [], self._first
            return
        page = Page.of(batch["jobs"])
        self._run_id = batch["runId"]
        self.jobs += [BatchJob.of(each) for each in page.items]
        cursor = page.next_cursor
        more = {**self._first.params, "cursor": cursor} if cursor is not None else None
        self.call = replace(self._first, params=more) if more is not None else None


def events_path(batch_id: str) -> str:
    """The path of the events of a batch."""
    return f"{_path(batch_id)}/events"


def new_key() -> str:
    """An idempotency key for one call and its repetitions."""
    return str(uuid4())


def _post(path: str, read: Callable[[Any], Result], json: object, idempotency_key: str | None) -> Call[Result]:
    return Call("POST", path, read, json=json, headers={KEY: idempotency_key or new_key()})


def _path(batch_id: str) -> str:
    return f"/attendances/batches/{_quoted(batch_id)}"


def _quoted(batch_id: str) -> str:
    return quote(of_type("batch_id", batch_id, str), safe="")


def _as_it_is(body: Any) -> Any:
    return body
