"""`/webhooks`: endpoints of other systems that receive events. Answers with secrets are not kept, so that no request
takes an `Idempotency-Key`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.events.webhooks.replays.service import WebhookReplays
from adsum.events.webhooks.schemas import (
    AttemptItem,
    ChangedWebhookBody,
    DeliveryItem,
    DeliveryQuery,
    NewWebhookBody,
    ReplayBody,
    ReplayItem,
    WebhookItem,
    WebhookQuery,
    WebhookRotationBody,
    WebhookWithSecretItem,
)
from adsum.events.webhooks.service import Webhooks
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import Page, PathId, page_of_items

router = APIRouter(prefix="/webhooks", tags=["events"], route_class=JsonRoute)
Manager = Annotated[Caller, Depends(require(Permission.WEBHOOK_MANAGE))]
WebhookService = Annotated[Webhooks, Depends(provided(Webhooks))]
WebhookId = Annotated[PathId, Path(alias="id")]


@router.get("", name="listWebhooks", summary="Webhooks")
async def list_webhooks(
    query: Annotated[WebhookQuery, Query()], webhooks: WebhookService, caller: Manager
) -> Page[WebhookItem]:
    """The webhooks that the caller sees, by id. `schoolId` leaves out those of all schools."""
    page = await webhooks.page(caller, query.page, query.school_id)
    return page_of_items(page, WebhookItem.of)


@router.post("", name="createWebhook", summary="Create a webhook", status_code=HTTPStatus.CREATED)
async def create_webhook(body: NewWebhookBody, webhooks: WebhookService, caller: Manager) -> WebhookWithSecretItem:
    """`secret` is shown only now. The webhook receives what happens from now on, by the Standard Webhooks
    specification. Private, link-local and loopback addresses are refused unless `ADSUM_WEBHOOK_ALLOWED_NETWORKS` has
    them.
    """
    return WebhookWithSecretItem.showing(await webhooks.create(body.to_webhook(), caller))


@router.get("/{id}", name="getWebhook", summary="A webhook")
async def get_webhook(webhook_id: WebhookId, webhooks: WebhookService, caller: Manager) -> WebhookItem:
    """One webhook, with the state of its deliveries."""
    return WebhookItem.of(await webhooks.get(webhook_id, caller))


@router.patch("/{id}", name="changeWebhook", summary="Change a webhook")
async def change_webhook(
    webhook_id: WebhookId, body: ChangedWebhookBody, webhooks: WebhookService, caller: Manager
) -> WebhookItem:
    """Changes the fields that the body has. A webhook that is enabled again receives what it has missed, as far as
    events are kept.

    The webhook stops once the API key has ended that has set its URL. A caller who gives it another URL, or enables it
    after that, takes it over.
    """
    changed = await webhooks.change(
        webhook_id,
        caller,
        url=body.url,
        event_types=body.event_types,
        in_order=body.in_order,
        enabled=body.enabled,
    )
    return WebhookItem.of(changed)


@router.delete("/{id}", name="deleteWebhook", summary="Delete a webhook", status_code=HTTPStatus.NO_CONTENT)
async def delete_webhook(webhook_id: WebhookId, webhooks: WebhookService, caller: Manager) -> None:
    """Deletes a webhook at once, and the log of its deliveries soon after."""
    await webhooks.delete(webhook_id, caller)


@router.post("/{id}/rotate", name="rotateWebhook", summary="Rotate the secret of a webhook")
async def rotate_webhook(
    webhook_id: WebhookId, body: WebhookRotationBody, webhooks: WebhookService, caller: Manager
) -> WebhookWithSecretItem:
    """Gives the webhook a new secret, which is shown only now. The present one signs, too, until the overlap ends."""
    return WebhookWithSecretItem.showing(await webhooks.rotate(webhook_id, body.overlap, caller))


@router.post("/{id}/test", name="testWebhook", summary="Send a test to a webhook")
async def test_webhook(webhook_id: WebhookId, webhooks: WebhookService, caller: Manager) -> AttemptItem:
    """Sends an event of the type `webhook.test` now, also while the webhook is disabled, and answers with the
    result.
    """
    return AttemptItem.of(await webhooks.test(webhook_id, caller))


@router.get("/{id}/deliveries", name="listDeliveries", summary="Deliveries of a webhook")
async def list_deliveries(
    webhook_id: WebhookId, query: Annotated[DeliveryQuery, Query()], webhooks: WebhookService, caller: Manager
) -> Page[DeliveryItem]:
    """Attempts to deliver, the newest first. They are kept as long as events: `ADSUM_KEEP_EVENTS_DAYS`."""
    page = await webhooks.page_of_deliveries(webhook_id, caller, query.page, failed_only=query.failed)
    return page_of_items(page, DeliveryItem.of_delivery)


@router.post("/{id}/replay", name="replayEvents", summary="Deliver events again", status_code=HTTPStatus.ACCEPTED)
@costly
async def replay_events(
    webhook_id: WebhookId,
    body: ReplayBody,
    replays: Annotated[WebhookReplays, Depends(provided(WebhookReplays))],
    caller: Manager,
) -> ReplayItem:
    """Delivers one event, or the events of a period that the webhook has passed, once more. Events from before
    the webhook was created are delivered, too. The events of a period come in their order, between new events, which go
    first. An event waits once, also if several replays ask for it. Nothing is delivered while the webhook is
    disabled: `disabled` says so, and the events wait until it is enabled.
    """
    if body.event_id is not None:
        return ReplayItem.of(await replays.replay_event(webhook_id, body.event_id, caller))
    assert body.since is not None, "the body has an event or a period"
    assert body.until is not None, "the body has an event or a period"
    return ReplayItem.of(await replays.replay_period(webhook_id, body.since, body.until, caller))
