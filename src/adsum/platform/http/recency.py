"""Lets GET and HEAD use the standby, says how old its data are, and notes who has seen newer ones."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adsum.platform.database.reading import READS, Reads
from adsum.platform.http.dependencies import services_of
from adsum.platform.http.refusals import actor_in
from adsum.platform.redis.last_writes import LastWrites

AS_OF = "X-Data-As-Of"
# A search is a POST, so that no name is in its address. It reads from the primary.
_READING = frozenset({"GET", "HEAD"})


class Recency:
    """The middleware of an installation with a standby to read from."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        reads = Reads(may_lag=scope["method"] in _READING)
        token = READS.set(reads)
        try:
            await self.app(scope, receive, _NotingResponse(scope, send, reads).send)
        finally:
            READS.reset(token)


class _NotingResponse:
    """Notes, before each message that tells the client something, that they have seen the primary."""

    def __init__(self, scope: Scope, send: Send, reads: Reads) -> None:
        self._scope = scope
        self._send = send
        self._reads = reads
        self._is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            media_type = Headers(raw=message["headers"]).get("content-type", "")
            self._is_stream = media_type.startswith("text/event-stream")
            if self._reads.as_of is not None:
                moment = datetime.fromtimestamp(self._reads.as_of, UTC)
                MutableHeaders(scope=message)[AS_OF] = moment.isoformat(timespec="milliseconds")
            if self._has_seen_primary(media_type):
                await self._note()
        elif self._is_stream and (actor := actor_in(self._scope)) is not None:
            self._last_writes.note_soon(actor)
        await self._send(message)

    def _has_seen_primary(self, media_type: str) -> bool:
        """A list of the API does not count: whoever reads many in a row would never read from the standby. A page
        does, since it shows more than a list.
        """
        return not self._reads.may_lag or not self._reads.has_reader or media_type.startswith("text/html")

    async def _note(self) -> None:
        actor = actor_in(self._scope)
        if actor is not None:
            await self._last_writes.note(actor)

    @property
    def _last_writes(self) -> LastWrites:
        return services_of(Request(self._scope))[LastWrites]
