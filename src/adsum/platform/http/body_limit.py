"""No body larger than the limit is ever read, whether it names its length or not: 413."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adsum.platform.errors import TooLarge

Refuse = Callable[[Request, TooLarge], Response]


class BodyLimit:
    """Refuses a request whose body is larger than `limit` bytes, or than what `paths` says for its path."""

    def __init__(self, app: ASGIApp, limit: int, paths: Mapping[str, int], refuse: Refuse) -> None:
        self.app = app
        self.refuse = refuse
        self.limit = limit
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.paths.get(scope["path"], self.limit)
        too_large = TooLarge(f"the body is larger than {limit} bytes", maxBytes=limit)
        if _declared_length(scope) > limit:
            await self.refuse(Request(scope), too_large)(scope, receive, send)
            return
        body = _CountedBody(receive, send, limit)
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if not body.refused:
                raise
        if body.refused:
            await self.refuse(Request(scope), too_large)(scope, receive, send)


class _CountedBody:
    """Counts what is received. Once it is too much, the application gets no more of it, and its answer is dropped."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self._answered = False
        self._exceeded = False

    @property
    def refused(self) -> bool:
        return self._exceeded and not self._answered

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self._exceeded = True
                raise ClientDisconnect
        return message

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        self._answered = True
        await self._send(message)


def _declared_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
