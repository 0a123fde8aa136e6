"""The creator of a webhook, and webhooks that stop when the API key that has set their URL ends."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from adsum.accounts.access import Role, system_caller
from adsum.events.health import HealthOfEvents, WebhookState
from adsum.events.webhooks.repository import webhooks_to_deliver
from adsum.events.webhooks.rules import Disabled
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.clock import system_clock
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import CALLER, Receiver, SetClock, caller_with_key, deliver, happen, state
from tests.support.api import Api


async def due(adsum: Adsum) -> list[int]:
    async with adsum.database.snapshot() as connection:
        return await webhooks_to_deliver(connection, adsum.now())


async def test_a_webhook_says_who_created_it(api: Api, receiver: Receiver) -> None:
    await api.sign_in(Role.ADMIN, None)
    key = await caller_with_key(api.adsum)
    by_user = await api.post("/webhooks", {"url": receiver.url}, "admin")
    for author in (key, system_caller()):
        await api.adsum.webhooks.create(NewWebhook(receiver.url), author)
    items = (await api.get("/webhooks", "admin")).json()["items"]

    authors = [[each[f"createdBy{part}"] for part in ("Role", "UserId", "KeyId")] for each in items]
    user_id = (await api.get("/auth/profile", "admin")).json()["id"]
    assert by_user.json()["createdByUserId"] == user_id
    assert authors == [["admin", user_id, None], ["key", None, key.key_id], ["admin", None, None]]
    assert [each["endsWithKeyId"] for each in items] == [None, key.key_id, None]


async def test_nothing_is_sent_for_a_revoked_key_until_somebody_takes_the_webhook_over(
    adsum: Adsum, receiver: Receiver
) -> None:
    key = await caller_with_key(adsum)
    assert key.key_id is not None
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), key)
    await happen(adsum, [0])
    await adsum.dispatch.dispatch()
    before = await due(adsum)
    await adsum.api_keys.revoke(key.key_id)
    after = await due(adsum)
    stopped = await deliver(adsum, webhook)
    await happen(adsum, [1])
    unsent = list(receiver.added)
    health = await HealthOfEvents(adsum.database, adsum.now).read()
    noticed = await adsum.webhooks.stopped(CALLER)
    enabled = await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=True)
    await deliver(adsum, webhook)

    assert (before, after, unsent) == ([webhook.webhook.id], [], [])
    assert (stopped.disabled, stopped.disabled_at) == (Disabled.KEY_ENDED, stopped.key_ends_at)
    assert health.webhooks == {WebhookState.DISABLED_KEY_ENDED: 1}
    assert noticed == [stopped]
    assert (enabled.disabled, enabled.created_key_id, enabled.ends_with_key_id) == (None, key.key_id, None)
    assert receiver.added == [0, 1]


async def test_a_webhook_goes_on_when_the_end_of_its_key_is_put_off(adsum: Adsum, receiver: Receiver) -> None:
    assert isinstance(adsum.now, SetClock)
    day, now = timedelta(days=1), system_clock()
    key = await caller_with_key(adsum, now + day)
    assert key.key_id is not None
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), key)
    await happen(adsum, [0])
    adsum.now.moment = now + 2 * day
    expired = await deliver(adsum, webhook)
    stopped = (expired.disabled, expired.disabled_at, list(receiver.added))
    await adsum.api_keys.change(key.key_id, {"expires_at": now + 9 * day})
    renewed = await deliver(adsum, webhook)

    assert stopped == (Disabled.KEY_ENDED, now + day, [])
    assert (renewed.disabled, receiver.added) == (None, [0])


async def test_a_stopped_webhook_that_a_person_disables_stays_disabled(adsum: Adsum, receiver: Receiver) -> None:
    assert isinstance(adsum.now, SetClock)
    day, now = timedelta(days=1), system_clock()
    key = await caller_with_key(adsum, now + day)
    assert key.key_id is not None
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), key)
    adsum.now.moment = now + 2 * day
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)
    await adsum.api_keys.change(key.key_id, {"expires_at": now + 9 * day})

    assert (await state(adsum, webhook)).disabled is Disabled.BY_PERSON


async def test_a_webhook_ends_with_the_key_that_has_set_its_url(adsum: Adsum, receiver: Receiver) -> None:
    first, second = await caller_with_key(adsum), await caller_with_key(adsum)
    assert first.key_id is not None
    assert second.key_id is not None
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    webhook_id = webhook.webhook.id
    by_key = await adsum.webhooks.change(webhook_id, first, url=receiver.url + "2")
    others = await adsum.webhooks.change(webhook_id, second, url=by_key.url, in_order=False, enabled=True)
    await adsum.api_keys.revoke(first.key_id)
    stopped = await state(adsum, webhook)
    taken_over = await adsum.webhooks.change(webhook_id, second, enabled=True)
    by_person = await adsum.webhooks.change(webhook_id, CALLER, url=receiver.url)
    await adsum.api_keys.revoke(second.key_id)

    assert [each.ends_with_key_id for each in (by_key, others)] == [first.key_id] * 2
    assert (stopped.disabled, stopped.created_key_id) == (Disabled.KEY_ENDED, None)
    assert (taken_over.disabled, taken_over.ends_with_key_id) == (None, second.key_id)
    assert by_person.ends_with_key_id is None
    assert (await state(adsum, webhook)).disabled is None


async def test_the_webhook_of_a_person_goes_on_without_their_login(api: Api, receiver: Receiver) -> None:
    await api.sign_in(Role.ADMIN, None)
    api.tokens["district"] = api.tokens["admin"]
    await api.sign_in(Role.ADMIN, api.school.school_id)
    created = (await api.post("/webhooks", {"url": receiver.url, "schoolId": api.school.school_id}, "admin")).json()
    author = f"/users/{created['createdByUserId']}"
    disabled = await api.change("PATCH", author, "district", None, json={"disabled": True})

    assert disabled.status_code == HTTPStatus.OK
    assert (await api.get(f"/webhooks/{created['id']}", "district")).json()["disabled"] is None
