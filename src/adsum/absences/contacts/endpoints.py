"""`/contacts`: the students to call because of an unexplained absence, and the calls that were made."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from adsum.absences.contacts.schemas import (
    ContactItem,
    ContactQuery,
    EnterContact,
    EnteredContactItem,
    StudentToCallItem,
    ToCallQuery,
)
from adsum.absences.contacts.service import Contacts
from adsum.accounts.access import Caller, Permission
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.authentication import SentKey, require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.list_files import AS_FILE, Accept, page_or_file
from adsum.platform.http.rate_limits import costly_as_file
from adsum.platform.http.schemas import Page, page_of_items
from adsum.platform.paging import PageRequest

router = APIRouter(prefix="/contacts", tags=["absences"], route_class=JsonRoute)
Office = Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))]
ContactsService = Annotated[Contacts, Depends(provided(Contacts))]


@router.post("", name="enterContact", summary="Enter a call about an absence", status_code=HTTPStatus.CREATED)
async def enter_contact(
    body: EnterContact, contacts: ContactsService, caller: Office, key: SentKey
) -> EnteredContactItem:
    """Nobody changes an entered call. With `explainAs` the call also explains the unexplained records of the day, whose
    history does not contain its note.
    """
    keyed = key.answering(body, EnteredContactItem.of, HTTPStatus.CREATED)
    return EnteredContactItem.of(
        await contacts.add(body.student_id, body.day, body.to_contact(), caller, keyed, school_id=body.school_id)
    )


@router.get("", name="listContacts", summary="Calls about absences")
async def list_contacts(
    query: Annotated[ContactQuery, Query()], contacts: ContactsService, caller: Office
) -> Page[ContactItem]:
    """The newest first."""
    page = await contacts.page(caller, query.filters, query.page)
    return page_of_items(page, ContactItem.model_validate)


@router.get(
    "/to-call",
    name="listStudentsToCall",
    summary="Students to call because of an unexplained absence",
    response_model=Page[StudentToCallItem],
    responses=AS_FILE,
)
@costly_as_file
async def list_students_to_call(
    query: Annotated[ToCallQuery, Query()],
    contacts: ContactsService,
    caller: Office,
    exports: Annotated[ListExports, Depends(provided(ListExports))],
    accept: Accept = "",
) -> Page[StudentToCallItem] | StreamingResponse:
    """By student. A student leaves the list when the absences of the day are explained; the contacts stay."""

    async def fetch(page: PageRequest) -> Page[StudentToCallItem]:
        found = await contacts.to_call(query.school_id, query.day, caller, page)
        return page_of_items(found, StudentToCallItem.of)

    return await page_or_file(accept, "call-list", partial(exports.begin, caller), query, StudentToCallItem, fetch)
