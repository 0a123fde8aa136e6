"""Builds the services of events and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from adsum.batches.sweep import Chore, Sweeper
from adsum.events.announcements import AnnouncementPruning, MissingRegisters, TakenRegisters, UnexplainedStudents
from adsum.events.metrics import EventMetrics
from adsum.events.service import EventFeed, EventNumbering, EventPruning
from adsum.events.webhooks.delivery import Deliveries
from adsum.events.webhooks.guard import Guard, Network
from adsum.events.webhooks.pace import Pace
from adsum.events.webhooks.page_data import WebhookPageData
from adsum.events.webhooks.pruning import DeletedWebhooks, DeliveryPruning
from adsum.events.webhooks.queue import Dispatch, WebhookQueue, queue_of_webhooks
from adsum.events.webhooks.replays.service import WebhookReplays
from adsum.events.webhooks.secret_renewal import SecretRenewal
from adsum.events.webhooks.sending import Sender
from adsum.events.webhooks.service import Webhooks
from adsum.platform.keys import KeyPurpose
from adsum.platform.secret_box import SecretBox
from adsum.roster.service import Naming
from adsum.schools.service import Schools
from adsum.servers import OpenServers

_EVERY_NETWORK = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class EventServices:
    """Events and webhooks. `event_chores`: for the sweeper that leads."""

    event_numbering: EventNumbering
    event_feed: EventFeed
    taken_registers: TakenRegisters
    webhooks: Webhooks
    webhook_replays: WebhookReplays
    webhook_page_data: WebhookPageData
    deliveries: Deliveries
    delivery_pace: Pace
    dispatch: Dispatch
    event_chores: Sequence[Chore]


def event_services(
    on: OpenServers, sweeper: Sweeper, schools: Schools, naming: Naming, metrics: EventMetrics
) -> EventServices:
    """The services of events and webhooks on open servers."""
    settings = on.settings
    numbering = EventNumbering(on.database)
    guard, box = Guard(_networks(settings.webhook_allowed_networks)), SecretBox(on.keys, KeyPurpose.WEBHOOKS)
    sender = on.close_at_end(Sender(guard, on.now))
    pace = Pace()
    deliveries = Deliveries(on.database, sender, box, pace, on.now, metrics.count_attempt, on.tracing)
    taken = TakenRegisters(on.database, on.now)
    queue = WebhookQueue(on.shards.home, queue_name=queue_of_webhooks(settings.queue_name))
    webhooks = Webhooks(on.database, numbering, deliveries, guard, box, on.now)
    return EventServices(
        event_numbering=numbering,
        event_feed=EventFeed(on.database, numbering),
        taken_registers=taken,
        webhooks=webhooks,
        webhook_replays=WebhookReplays(on.database, on.now),
        webhook_page_data=WebhookPageData(webhooks, schools, naming),
        deliveries=deliveries,
        delivery_pace=pace,
        dispatch=Dispatch(on.database, numbering, queue, pace, lambda: sweeper.is_leading, on.now),
        event_chores=_chores(on, numbering, taken, box),
    )


def _chores(on: OpenServers, numbering: EventNumbering, taken: TakenRegisters, box: SecretBox) -> list[Chore]:
    settings = on.settings
    missing = timedelta(minutes=settings.register_missing_minutes)
    unexplained = timedelta(minutes=settings.unexplained_minutes)
    keep = timedelta(days=settings.keep_events_days)
    chores: list[Chore] = [numbering.number, taken.announce, SecretRenewal(on.database, box, on.now).renew_if_due]
    if missing:
        chores.append(MissingRegisters(on.database, on.now, after=missing).announce_if_due)
    if unexplained:
        chores.append(UnexplainedStudents(on.database, on.now, after=unexplained).announce)
    return [
        *chores,
        EventPruning(on.database, on.now, keep=keep).prune_if_due,
        AnnouncementPruning(on.database, on.now).prune_if_due,
        DeliveryPruning(on.database, on.now, keep=keep).prune_if_due,
        DeletedWebhooks(on.database, on.now).prune_if_due,
    ]


def _networks(text: str) -> list[Network]:
    """The networks of a setting, which is checked."""
    names = _EVERY_NETWORK if text.strip() == "*" else (each.strip() for each in text.split(",") if each.strip())
    return [ip_network(each) for each in names]
