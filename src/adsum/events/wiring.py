"""Builds the services of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from adsum.batches.sweep import Chore
from adsum.events.announcements import MissingRegisters, UnexplainedStudents
from adsum.events.service import EventFeed, EventNumbering, EventPruning
from adsum.servers import OpenServers


@dataclass(frozen=True)
class EventServices:
    """Events, and what keeps their log. `event_chores`: for the sweeper that leads."""

    event_numbering: EventNumbering
    event_feed: EventFeed
    event_chores: Sequence[Chore]


def event_services(on: OpenServers) -> EventServices:
    """The services of events on open servers."""
    numbering = EventNumbering(on.database)
    keep = timedelta(days=on.settings.keep_events_days)
    missing, unexplained = (
        timedelta(minutes=minutes)
        for minutes in (on.settings.register_missing_minutes, on.settings.unexplained_minutes)
    )
    announcing: list[Chore] = []
    if missing:
        announcing.append(MissingRegisters(on.database, on.now, after=missing).announce_if_due)
    if unexplained:
        announcing.append(UnexplainedStudents(on.database, on.now, after=unexplained).announce)
    return EventServices(
        event_numbering=numbering,
        event_feed=EventFeed(on.database, numbering),
        event_chores=[numbering.number, *announcing, EventPruning(on.database, on.now, keep=keep).prune_if_due],
    )
