"""The receiver of the guide, in JavaScript with the library of Standard Webhooks, takes deliveries of Adsum."""

from __future__ import annotations

import json
import re
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from adsum.accounts.access import system_caller
from adsum.events.webhooks.rules import new_secret
from adsum.events.webhooks.service import WebhookWithSecret
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import Receiver, happen
from tests.support.live import ROOT
from tests.support.node import FOLDER, first_line, install_packages, program

CALLER = system_caller()
GUIDE = ROOT / "docs/how-to/receive-webhooks.md"


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    install_packages()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The program of the guide, beside the packages that it imports."""
    (block,) = re.findall(r"```js\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    path = tmp_path / "receiver.mjs"
    path.write_text(block, encoding="utf-8")
    return path


@asynccontextmanager
async def javascript(code: Path, secret: str) -> AsyncGenerator[tuple[Process, str]]:
    """Runs the receiver with a secret. Yields it, and its URL."""
    async with program(code, ADSUM_WEBHOOK_SECRET=secret, PORT="0") as process:
        yield process, f"http://127.0.0.1:{await first_line(process)}/hooks"


async def status_of_test(adsum: Adsum, webhook: WebhookWithSecret, url: str) -> int | None:
    """The answer of the receiver at a URL to a test."""
    await adsum.webhooks.change(webhook.webhook.id, CALLER, url=url)
    return (await adsum.webhooks.test(webhook.webhook.id, CALLER)).status


async def test_deliveries_verify_and_repeated_ones_are_ignored(
    adsum: Adsum, webhook: WebhookWithSecret, code: Path
) -> None:
    async with javascript(code, webhook.secret) as (process, url):
        await adsum.webhooks.change(webhook.webhook.id, CALLER, url=url)
        await happen(adsum, [1, 2])
        await adsum.deliveries.deliver(webhook.webhook.id)
        await adsum.webhook_replays.replay_event(webhook.webhook.id, 1, CALLER)
        await happen(adsum, [3])
        await adsum.deliveries.deliver(webhook.webhook.id)
        taken = [json.loads(await first_line(process)) for _ in range(3)]

    assert [(each["id"], each["data"]["added"]) for each in taken] == [(1, 1), (2, 2), (3, 3)]
    assert (await adsum.webhooks.get(webhook.webhook.id, CALLER)).failing_since is None


async def test_a_wrong_secret_does_not_verify(adsum: Adsum, webhook: WebhookWithSecret, code: Path) -> None:
    async with javascript(code, new_secret()) as (_, url):
        assert await status_of_test(adsum, webhook, url) == HTTPStatus.BAD_REQUEST


async def test_a_changed_body_does_not_verify(
    adsum: Adsum, webhook: WebhookWithSecret, receiver: Receiver, code: Path
) -> None:
    await adsum.webhooks.test(webhook.webhook.id, CALLER)
    (sent,) = receiver.received
    headers = {name: value for name, value in sent.headers.items() if name.startswith("webhook-")}
    changed = sent.body.replace(b'"webhook.test"', b'"batch.completed"')

    async with javascript(code, webhook.secret) as (_, url), httpx2.AsyncClient() as client:
        answers = [(await client.post(url, content=body, headers=headers)).status_code for body in (changed, sent.body)]

    assert changed != sent.body
    assert answers == [HTTPStatus.BAD_REQUEST, HTTPStatus.NO_CONTENT]


@pytest.mark.parametrize(
    ("overlap", "of_old"), [(timedelta(days=1), HTTPStatus.NO_CONTENT), (timedelta(), HTTPStatus.BAD_REQUEST)]
)
async def test_the_old_secret_verifies_during_the_overlap_of_a_rotation_alone(
    adsum: Adsum, webhook: WebhookWithSecret, code: Path, overlap: timedelta, of_old: HTTPStatus
) -> None:
    new = (await adsum.webhooks.rotate(webhook.webhook.id, overlap, CALLER)).secret
    async with javascript(code, webhook.secret) as (_, with_old), javascript(code, new) as (_, with_new):
        assert await status_of_test(adsum, webhook, with_old) == of_old
        assert await status_of_test(adsum, webhook, with_new) == HTTPStatus.NO_CONTENT
