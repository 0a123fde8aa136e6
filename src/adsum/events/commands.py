"""`adsum event`: lists and follows the feed of events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer

from adsum.accounts.access import system_caller
from adsum.events.rules import Event, EventFilters
from adsum.events.schemas import event_item
from adsum.events.service import EventFeed, EventNumbering
from adsum.platform.clock import system_clock
from adsum.platform.command_line.options import SchoolId, one_of
from adsum.platform.command_line.output import Json, show_line, show_one, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.database.new_events import EventType
from adsum.platform.ids import MAX_ID

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "occurredAt", "type", "schoolId", "about")
# Between two looks at the feed while nothing happens.
PAUSE_S = 1.0
PAGE = 200

Types = Annotated[
    list[EventType] | None,
    typer.Option("--type", parser=one_of(EventType), metavar="TYPE", help="Only this type; can be repeated."),
]


@app.command("list")
def list_events(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, max=MAX_ID, metavar="ID", help="Only events after this one.")
    ] = None,
    types: Types = None,
    school_id: SchoolId = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The maximum number of events.")] = 100,
    as_json: Json = False,
) -> None:
    """List events, the oldest first."""
    filters = EventFilters(frozenset(types or ()), school_id)

    async def read(feed: EventFeed) -> list[Event]:
        found: list[Event] = []
        position, has_more = after, True
        while has_more and len(found) < limit:
            page = await feed.page(system_caller(), filters, position, min(PAGE, limit - len(found)))
            found += page.items
            position, has_more = page.next_after, page.has_more
        return found

    show_rows(COLUMNS, _rows(run_with(EventFeed, read), as_json=as_json), as_json=as_json, none="no events")


@app.command()
def follow(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, max=MAX_ID, metavar="ID", help="Begin after this event.  [default: now]")
    ] = None,
    types: Types = None,
    school_id: SchoolId = None,
) -> None:
    """Print events as they happen, one line of JSON each, until Ctrl-C."""
    filters = EventFilters(frozenset(types or ()), school_id)

    async def read(feed: EventFeed) -> None:
        position = await feed.newest(system_caller(), filters) if after is None else after
        while True:
            page = await feed.page(system_caller(), filters, position, PAGE)
            for row in _rows(page.items, as_json=True):
                show_line(row)
            position = page.next_after
            if not page.has_more:
                await asyncio.sleep(PAUSE_S)

    run_with(EventFeed, read)


@app.command("skip-ids")
def skip_ids(*, as_json: Json = False) -> None:
    """Give new events ids that no event has had. Run it after the database was restored by other tools than adsum.

    Readers of the feed and receivers of webhooks would otherwise take new events for those that the restore has lost.
    """
    last_id = run_with(EventNumbering, lambda numbering: numbering.skip_ids(system_clock()))
    show_one({"lastId": last_id}, as_json=as_json)


def _rows(events: Sequence[Event], *, as_json: bool) -> list[dict[str, Any]]:
    mode = "json" if as_json else "python"
    rows = [event_item(each).model_dump(mode=mode, by_alias=True) for each in events]
    return rows if as_json else [{**row, "about": _about(each)} for row, each in zip(rows, events, strict=True)]


def _about(event: Event) -> str:
    """The ids of an event on one line; lists are counted."""
    parts = (
        f"{name} {len(cast('list[object]', value)) if isinstance(value, list) else value}"
        for name, value in event.data.items()
        if value is not None and name not in ("classId", "sessionId", "learningDate", "runId")
    )
    return ", ".join(parts)
