"""Receivers of webhooks, which verify signatures and fail as the endpoints of other systems do."""

from __future__ import annotations

import asyncio
import enum
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

SLOW_S = (0.05, 0.5)
INTERRUPTION_S = 20.0


class Behaviour(enum.Enum):
    """How a receiver answers. All but the first two are failures, after which the webhook pauses."""

    HEALTHY = "204"
    SLOW = "204 after a while"
    ERROR = "500"
    THROTTLED = "429"
    SILENT = "closes the connection without an answer"
    DEAD = "accepts no connection"


HEADS = {
    Behaviour.ERROR: "HTTP/1.1 500 Internal Server Error\r\n",
    Behaviour.THROTTLED: "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n",
}
TAKEN = "HTTP/1.1 204 No Content\r\n\r\n"


class Arrival(NamedTuple):
    """A request that arrived.

    Attributes:
        event_id: the event.
        digest: of its content.
        before: the largest id that the receiver had taken before this request came.
        is_taken: whether it was answered with 204. A killed sender may not have read that.
    """

    event_id: int
    digest: int
    before: int
    is_taken: bool


@dataclass
class Receiver:
    """An endpoint of another system on loopback. It keeps every request and whether it took the event."""

    rng: random.Random
    secret: str = ""
    port: int = 0
    behaviour: Behaviour = Behaviour.HEALTHY
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    defects: list[str] = field(default_factory=list[str])
    newest: int = 0
    taken_ids: set[int] = field(default_factory=set[int])
    _interruption: Callable[[], None] | None = None
    _interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def taken(self) -> list[int]:
        """The ids of the events that the receiver took, each once, in the order of their first delivery."""
        return list(dict.fromkeys(each.event_id for each in self.arrivals if each.is_taken))

    async def behave(self, behaviour: Behaviour) -> None:
        """Changes the behaviour. Death ends the connections, too."""
        self.behaviour = behaviour
        if behaviour is Behaviour.DEAD:
            await self.close()
        elif self._server is None:
            await self.open()

    async def interrupt(self, action: Callable[[], None]) -> None:
        """Does something when the next event has arrived and is not answered yet: the sender does not know it."""
        self._interruption, self._interrupted = action, asyncio.Event()
        await asyncio.wait_for(self._interrupted.wait(), INTERRUPTION_S)

    async def open(self) -> None:
        """Listens, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._answer(*await _request(reader), writer):
                    await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._connections.discard(connection)

    async def _answer(self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answers a request. Returns whether the connection stays open."""
        content, before, behaviour = self._verified(headers, body), self.newest, self.behaviour
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(self.rng.uniform(*SLOW_S))  # the slowness itself
        is_taken = behaviour in (Behaviour.HEALTHY, Behaviour.SLOW)
        self.arrivals.append(Arrival(content["id"], digest_of(content), before, is_taken))
        if is_taken:
            self.newest = max(self.newest, content["id"])
            self.taken_ids.add(content["id"])
            self._interrupt()
            writer.write(TAKEN.encode())
        elif behaviour in HEADS:
            writer.write(f"{HEADS[behaviour]}Content-Length: 0\r\n\r\n".encode())
        return behaviour is not Behaviour.SILENT

    def _interrupt(self) -> None:
        if self._interruption is not None:
            self._interruption()
            self._interruption = None
            self._interrupted.set()

    def _verified(self, headers: dict[str, str], body: bytes) -> Any:
        content = json.loads(body)
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError as error:
            self.defects.append(f"the signature of event {content['id']} is wrong: {error}")
        if headers["webhook-id"] != f"evt_{content['id']}":
            self.defects.append(f"event {content['id']} came as {headers['webhook-id']}")
        return content

    def find_defects(self, expected: Sequence[tuple[int, int]], *, in_order: bool) -> list[str]:
        """Compares what the receiver took with the ids and digests of the events that it had to receive."""
        digests, taken = dict(expected), self.taken
        found = [*self.defects]
        found += [f"event {each} was not delivered" for each in sorted(digests.keys() - set(taken))[:5]]
        found += [f"event {each} was delivered and must not be" for each in sorted(set(taken) - digests.keys())[:5]]
        found += [
            f"event {each.event_id} was delivered with other content than the feed has"
            for each in self.arrivals
            if digests.get(each.event_id, each.digest) != each.digest
        ][:5]
        if in_order:
            ids = [event_id for event_id, _ in expected]
            previous = dict(zip(ids, [0, *ids], strict=False))
            found += [
                f"event {each.event_id} came when {each.before} was the newest, before event {previous[each.event_id]}"
                for each in self.arrivals
                if previous.get(each.event_id, 0) > each.before
            ][:5]
        return found


def digest_of(item: Any) -> int:
    """A digest of an event as the API shows it, for comparisons within this process."""
    return hash(json.dumps(item, sort_keys=True))


async def _request(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
    headers = {name.lower(): text for name, _, text in lines}
    return headers, await reader.readexactly(int(headers["content-length"]))
