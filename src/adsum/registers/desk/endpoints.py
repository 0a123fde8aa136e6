"""`/desk-entries`: late arrivals and early departures."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.registers.desk.completion import EntryResult
from adsum.registers.desk.schemas import DeskEntryItem, DeskQuery, NewDeskEntry
from adsum.registers.desk.service import DeskEntries

router = APIRouter(prefix="/desk-entries", tags=["registers"], route_class=JsonRoute)
EntryId = Annotated[PathId, Path(alias="id")]
Office = Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))]
DeskEntriesService = Annotated[DeskEntries, Depends(provided(DeskEntries))]


@router.post(
    "",
    name="createDeskEntry",
    summary="Enter a late arrival or an early departure",
    status_code=HTTPStatus.CREATED,
    responses=raises(BatchIsOpen)
    | {HTTPStatus.OK.value: {"model": DeskEntryItem, "description": "It was entered already"}},
)
async def create_desk_entry(
    body: NewDeskEntry, desk: DeskEntriesService, caller: Office, key: SentKey, response: Response
) -> DeskEntryItem:
    """Marks the sessions that it concerns; of a departure the later ones become a planned absence.

    An entry with the same content that is not undone is returned instead of a second one, with 200.
    """
    keyed = key.answering(body, _item_of, _status_of)
    result = await desk.enter(body.to_entry(), caller, keyed, school_id=body.school_id, day=body.day)
    response.status_code = _status_of(result)
    return _item_of(result)


@router.get("", name="listDeskEntries", summary="Late arrivals and early departures")
async def list_desk_entries(
    query: Annotated[DeskQuery, Query()], desk: DeskEntriesService, caller: Office
) -> Page[DeskEntryItem]:
    """The newest first."""
    page = await desk.page(caller, query.filters, query.page)
    return page_of_items(page, DeskEntryItem.model_validate)


@router.post(
    "/{id}/complete",
    name="completeDeskEntry",
    summary="Complete an entry that was interrupted",
    responses=raises(BatchIsOpen),
)
async def complete_desk_entry(entry_id: EntryId, desk: DeskEntriesService, caller: Office) -> DeskEntryItem:
    """Submits the marks and the absence that are missing. A complete or undone entry stays as it is."""
    return DeskEntryItem.model_validate(await desk.complete(entry_id, caller))


@router.post(
    "/{id}/undo",
    name="undoDeskEntry",
    summary="Undo a late arrival or an early departure",
    responses=raises(BatchIsOpen),
)
async def undo_desk_entry(entry_id: EntryId, desk: DeskEntriesService, caller: Office) -> DeskEntryItem:
    """Its marks return to those before it, unless somebody has changed them since. Its absence is revoked."""
    return DeskEntryItem.model_validate(await desk.undo(entry_id, caller))


def _item_of(result: EntryResult) -> DeskEntryItem:
    return DeskEntryItem.model_validate(result.entry)


def _status_of(result: EntryResult) -> HTTPStatus:
    return HTTPStatus.CREATED if result.is_new else HTTPStatus.OK
