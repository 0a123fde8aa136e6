"""The header `Idempotency-Key`: every POST that creates or changes something declares `SentKey`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Header, Request, Response
from starlette.responses import JSONResponse

from adsum.platform.database.answers import AlreadyAnswered, AnswerKey, KeyedRequest
from adsum.platform.http.schemas import Schema

Result = TypeVar("Result")

KEY_PATTERN = r"^[\x21-\x7e]+$"
IdempotencyKeyHeader = Annotated[str | None, Header(min_length=1, max_length=255, pattern=KEY_PATTERN)]
"""For a parameter named `idempotency_key`."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The idempotency key of a request, if it has one.

    Attributes:
        key: None: the request has none.
        request_line: method, path and query.
        at: the time of the request.
    """

    key: AnswerKey | None
    request_line: tuple[str, str, tuple[tuple[str, str], ...]]
    at: datetime

    def answering(
        self,
        content: Schema | bytes | None,
        to_body: Callable[[Result], Schema],
        status: HTTPStatus | Callable[[Result], HTTPStatus],
    ) -> KeyedRequest[Result] | None:
        """The request to execute once, whose answer has this body and status. None: it has no key.

        Args:
            content: the body of the request; of a file, its digest.
            to_body: the body of the answer to a result.
            status: of the answer.
        """
        if self.key is None:
            return None

        def to_json(result: Result) -> dict[str, Any]:
            code = status if isinstance(status, HTTPStatus) else status(result)
            return {"status": code.value, "body": to_body(result).model_dump(mode="json")}

        return KeyedRequest(self.key, self._digest(content), self.at, to_json)

    def _digest(self, content: Schema | bytes | None) -> str:
        """Of the fields that were sent, so that a new field with a default leaves the digests of old requests alone."""
        if isinstance(content, Schema):
            content = json.dumps(content.model_dump(mode="json", exclude_unset=True), sort_keys=True).encode()
        whole = [*self.request_line, hashlib.sha256(content or b"").hexdigest()]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def answer_repetitions(app: FastAPI) -> None:
    """Returns the first answer to a request that was executed before."""

    async def answer(_request: Request, error: Exception) -> Response:
        assert isinstance(error, AlreadyAnswered)
        return JSONResponse(error.answer["body"], error.answer["status"])

    app.add_exception_handler(AlreadyAnswered, answer)
