"""`/events`: the feed of what happened."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.events.schemas import EventPageItem, EventQuery, event_item
from adsum.events.service import EventFeed, EventsPruned, EventsRestored
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.paging import NEWEST

router = APIRouter(tags=["events"])


@router.get("/events", name="listEvents", summary="The feed of events", responses=raises(EventsPruned, EventsRestored))
async def list_events(
    query: Annotated[EventQuery, Query()],
    feed: Annotated[EventFeed, Depends(provided(EventFeed))],
    caller: Annotated[Caller, Depends(require(Permission.EVENT_READ))],
) -> EventPageItem:
    """Events in the order in which they were committed, the oldest first. A cursor skips no event and repeats none.

    Ask again with `nextCursor`, at once while `hasMore` is true, else after a pause. A page may be empty although more
    events follow, since a filter may leave out all events of a page. Events are kept for `ADSUM_KEEP_EVENTS_DAYS`; an
    older cursor is 410 `events_pruned`, with the `oldest` cursor that is complete. The cursor of an event that was
    lost when a backup was restored is 410 `events_restored`, with the cursor of the last event that was `kept`. A
    caller of some schools sees the events about these schools; a `schoolId` of another school is 404. Ids in events
    refer to the other endpoints; they contain neither names nor notes.
    """
    if query.after == NEWEST:
        return EventPageItem(items=[], next_cursor=str(await feed.newest(caller, query.filters)), has_more=False)
    after = None if query.after is None else int(query.after)
    page = await feed.page(caller, query.filters, after, query.limit)
    items = [event_item(event) for event in page.items]
    return EventPageItem(items=items, next_cursor=str(page.next_after), has_more=page.has_more)
