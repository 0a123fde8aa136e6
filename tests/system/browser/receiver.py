"""A receiver of webhooks on loopback, in a thread: no event loop runs beside Playwright."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from tests.support.servers.http_server import Reply, Request, answering
from tests.system.browser.conftest import PATIENCE_MS


@dataclass
class Receiver:
    """An endpoint on loopback that notes what arrives."""

    status: int = 204
    answer: bytes = b""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    arrived: Condition = field(default_factory=Condition)
    url: str = ""

    def take(self, request: Request) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self.arrived:
            self.requests.append((headers, request.body))
            self.arrived.notify_all()
        return Reply(self.status, self.answer)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that arrived, tests included."""
        return [json.loads(body) for _, body in self.requests]

    @property
    def types(self) -> list[str]:
        return [each["type"] for each in self.events]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition on what has arrived."""
        with self.arrived:
            assert self.arrived.wait_for(condition, PATIENCE_MS / 1000), self.requests

    def wait_for_batch(self, batch_id: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of the completion of a batch, once so many have arrived."""

        def found() -> list[dict[str, Any]]:
            completed = [each for each in self.events if each["type"] == "batch.completed"]
            return [each for each in completed if each["data"]["batchId"] == batch_id]

        self.wait_until(lambda: len(found()) >= count)
        return found()


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver that listens until the block ends."""
    receiver = Receiver()
    with answering(receiver.take) as address:
        receiver.url = f"{address}/hooks"
        yield receiver
