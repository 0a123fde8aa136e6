"""After a rotation of the signing keys the secrets of webhooks need the earlier key no longer."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.events.webhooks.secret_renewal import SecretRenewal
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.clock import system_clock
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.secret_box import SecretBox
from adsum.platform.settings import Settings
from adsum.platform.signing_keys import SigningKey
from adsum.wiring import Adsum, open_adsum
from tests.events.webhooks.conftest import Receiver, happen

CALLER = system_caller()
NEW, OLD = SigningKey("y" * 64), SigningKey("x" * 64)


def box(*keys: SigningKey) -> SecretBox:
    return SecretBox(KeyRing(lambda: keys), KeyPurpose.WEBHOOKS)


async def test_secrets_are_encrypted_with_the_new_key_once(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, settings: Settings
) -> None:
    rotated = await adsum.webhooks.rotate(webhook.webhook.id, timedelta(hours=1), CALLER)
    others = [await adsum.webhooks.create(NewWebhook(receiver.url), CALLER) for _ in range(2)]
    now = system_clock()
    renewal = SecretRenewal(adsum.database, box(NEW, OLD), lambda: now, at_once=2)

    counts = [await renewal.renew_if_due(), await renewal.renew_if_due()]
    now += timedelta(hours=2)
    counts.append(await renewal.renew_if_due())

    assert counts == [4, 0, 0]
    alone = settings.model_copy(update={"secret_key": SecretStr(NEW.secret)})
    await happen(adsum, [0])
    async with open_adsum(alone) as later:
        for each in (webhook, *others):
            await later.deliveries.deliver(each.webhook.id)
    first, *more = receiver.received
    assert first.is_signed_with(webhook.secret)
    assert first.is_signed_with(rotated.secret)
    assert [request.is_signed_with(each.secret) for request, each in zip(more, others, strict=True)] == [True, True]


async def test_a_secret_that_another_machine_has_encrypted_with_the_key_before_is_renewed_later(
    adsum: Adsum, receiver: Receiver
) -> None:
    now = system_clock()
    renewal = SecretRenewal(adsum.database, box(NEW, OLD), lambda: now)
    before = await renewal.renew_if_due()
    await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    soon = await renewal.renew_if_due()
    now += timedelta(hours=1)

    assert (before, soon, await renewal.renew_if_due()) == (0, 0, 1)


async def test_a_secret_that_no_key_decrypts_stays(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    async with adsum.database.transaction() as connection:
        lost = update(webhooks).where(webhooks.c.id == webhook.webhook.id).values(secret="v1.unreadable")
        await connection.execute(lost)

    assert await SecretRenewal(adsum.database, box(NEW, OLD), system_clock).renew_if_due() == 1


async def test_without_a_key_nothing_is_renewed(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    assert await SecretRenewal(adsum.database, box(), system_clock).renew_if_due() == 0
