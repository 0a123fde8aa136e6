"""What is seen of every request: its id, one log line, its latency, and a 500 without details where code failed."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from adsum.platform.http.problems import unexpected_problem
from adsum.platform.telemetry import LogIcon, logger

HEADER = "X-Request-ID"
# Asked every few seconds by machines.
QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_FIT_FOR_LOGS = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logger(__name__)


class Observation:
    """Stands around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        with bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer.send)
            except Exception:
                log.exception("a request failed", mark=LogIcon.ERROR, method=scope["method"], route=_route(scope))
                if answer.status is not None:
                    raise  # half an answer went out: the connection must break, so that nobody takes it for whole
                await unexpected_problem()(scope, receive, answer.send)
            finally:
                _note(scope, answer)


class _Answer:
    """Adds the request's id to the answer, and remembers its status and when it began."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._began = time.perf_counter()
        self.status: int | None = None
        self.seconds = 0.0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self.seconds = time.perf_counter() - self._began
            MutableHeaders(scope=message)[HEADER] = self._request_id
        await self._send(message)


def _note(scope: Scope, answer: _Answer) -> None:
    if answer.status is None:
        return  # the client went away
    route, method = _route(scope), scope["method"]
    count: Any = getattr(scope["app"].state, "count_request", None)
    if count is not None:
        count(method, route, answer.status, answer.seconds)
    write = log.debug if route in QUIET else log.info
    write("request", method=method, route=route, status=answer.status, ms=round(answer.seconds * 1000, 1))


def _route(scope: Scope) -> str:
    """The template of the path, never the path: what was asked for may be personal, and has no bounds."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _FIT_FOR_LOGS.fullmatch(given) else uuid.uuid4().hex
