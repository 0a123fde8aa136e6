"""A receiver of webhooks on loopback, webhooks that deliver to it, and a clock that tests set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

from adsum import wiring
from adsum.accounts.access import Caller, Permission, system_caller
from adsum.events.webhooks.guard import Guard
from adsum.events.webhooks.replays.service import WebhookReplays
from adsum.events.webhooks.rules import Webhook
from adsum.events.webhooks.service import NewWebhook, Webhooks, WebhookWithSecret
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.keys import KeyPurpose
from adsum.platform.paging import PageRequest
from adsum.platform.secret_box import SecretBox
from adsum.platform.settings import Settings
from adsum.servers import key_ring
from adsum.wiring import Adsum
from tests.support import waiting

CALLER = system_caller()
LOOPBACK = "127.0.0.0/8"
NOW = datetime(2024, 12, 25, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Received:
    """A request that the receiver got."""

    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether the official library takes the signature."""
        try:
            StandardWebhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """An HTTP server that notes what it receives.

    Attributes:
        port: its port.
        received: the requests.
        answer_of: returns the status for a request, by its number.
        release: answers wait for it.
        held: answers to single requests, by their numbers, wait for these events instead.
        content: the body of an answer.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list[Received])
    answer_of: Callable[[int], int] = lambda _: 204
    release: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    content: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?key=1"

    @property
    def added(self) -> list[int]:
        """The number in each event that `happen` has written, in the order of their arrival."""
        return [each.content["data"]["added"] for each in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                number = len(self.received)
                self.received.append(request)
                await self.held.get(number, self.release).wait()
                status = self.answer_of(number)
                if status == 0:  # no answer
                    break
                lines = (
                    f"HTTP/1.1 {status} X",
                    "location: http://127.0.0.1:1/",
                    f"content-length: {len(self.content)}",
                )
                writer.write("\r\n".join((*lines, "", "")).encode() + self.content)
                await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:] if line)
    }
    return Received(headers, await reader.readexactly(int(headers["content-length"])))


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    receiver.release.set()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    for each in (receiver.release, *receiver.held.values()):
        each.set()
    server.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allowed_networks": LOOPBACK})


@dataclass
class SetClock:
    """The time of all services: `moment`; None: the present time."""

    moment: datetime | None = None

    def __call__(self) -> datetime:
        return self.moment or system_clock()


@pytest.fixture
async def adsum(settings: Settings) -> AsyncGenerator[Adsum]:
    """All services, with a clock that `deliver` sets."""
    async with wiring.open_adsum(settings, SetClock()) as opened:
        yield opened


@pytest.fixture
async def webhook(adsum: Adsum, receiver: Receiver) -> WebhookWithSecret:
    return await adsum.webhooks.create(NewWebhook(receiver.url), system_caller())


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await waiting.until(holds)


async def happen(adsum: Adsum, numbers: Sequence[int], at: datetime = NOW) -> None:
    """Lets events happen, each with a number, and gives them their ids."""
    await happen_without_ids(adsum, numbers, at)
    await adsum.event_numbering.number()


async def happen_without_ids(adsum: Adsum, numbers: Sequence[int], at: datetime = NOW) -> None:
    events = [NewEvent(EventType.ROSTER_IMPORTED, None, _counts(number)) for number in numbers]
    async with adsum.database.transaction() as connection:
        await write_events(connection, events, at)


def _counts(number: int) -> dict[str, int]:
    return {"added": number, "changed": 0, "ended": 0, "unchanged": 0, "failed": 0}


async def state(adsum: Adsum, webhook: WebhookWithSecret) -> Webhook:
    return await adsum.webhooks.get(webhook.webhook.id, CALLER)


async def deliver(adsum: Adsum, webhook: WebhookWithSecret, now: datetime | None = None) -> Webhook:
    """Delivers as a worker does, at a time. Returns the state after it."""
    if now is None:
        await adsum.deliveries.deliver(webhook.webhook.id)
        return await state(adsum, webhook)
    assert isinstance(adsum.now, SetClock)
    adsum.now.moment = now
    await adsum.deliveries.deliver(webhook.webhook.id)
    adsum.now.moment = None
    return await state(adsum, webhook)


async def log(
    adsum: Adsum, webhook: WebhookWithSecret, **filters: Any
) -> list[tuple[int | None, int | None, str | None]]:
    """The attempts, the newest first: event, status and error."""
    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest(limit=200), **filters)
    return [(each.event_id, each.attempt.status, each.attempt.error) for each in page.items]


async def replay_all(adsum: Adsum, webhook: WebhookWithSecret) -> int:
    """Delivers the events of `NOW` again."""
    period = NOW, NOW + timedelta(hours=1)
    return (await adsum.webhook_replays.replay_period(webhook.webhook.id, *period, CALLER)).events


def webhooks_in_steps(adsum: Adsum, scanned_at_once: int) -> Webhooks:
    """The service, whose statements look at so many events."""
    box = SecretBox(key_ring(adsum.settings), KeyPurpose.WEBHOOKS)
    guard = Guard([ip_network(LOOPBACK)])
    return Webhooks(
        adsum.database, adsum.event_numbering, adsum.deliveries, guard, box, adsum.now, scanned_at_once=scanned_at_once
    )


def replays_in_steps(adsum: Adsum, scanned_at_once: int) -> WebhookReplays:
    """The service, whose statements look at so many events."""
    return WebhookReplays(adsum.database, adsum.now, scanned_at_once=scanned_at_once)


async def caller_with_key(adsum: Adsum, expires_at: datetime | None = None) -> Caller:
    """An API key that manages webhooks."""
    new = await adsum.api_keys.create("Platform", [Permission.WEBHOOK_MANAGE], expires_at=expires_at)
    return await adsum.api_keys.caller_of(new.secret)
