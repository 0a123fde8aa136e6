"""`/desk`: late arrivals and early departures. `/desk/search` finds students by name."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from pydantic import BaseModel, Field

from adsum.accounts.visitors import OfficeVisitor, Visitor
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.platform.database.answers import AlreadyAnswered
from adsum.platform.days import time_of
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.queries import Day, Words
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, OnceForm, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.desk.completion import EntryResult
from adsum.registers.desk.page_data import DeskPageData, FoundStudents
from adsum.registers.desk.rules import NewEntry
from adsum.registers.desk.service import DeskEntries
from adsum.registers.rules import DeskKind
from adsum.schools.context import RequestedDay, SchoolDay, SchoolsService, school_day

PATH = "/desk"

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
DeskEntriesService = Annotated[DeskEntries, Depends(provided(DeskEntries))]
PageDataService = Annotated[DeskPageData, Depends(provided(DeskPageData))]
EntryId = Annotated[PathId, Path(alias="id")]
Text = Annotated[PlainText, Field(max_length=2_000)]
TypedWords = Annotated[Words, Form()]


class EntryForm(OnceForm):
    """The form of an entry, as it was typed."""

    school: PathId
    date: Day
    student: PathId
    kind: DeskKind
    time: Text = ""
    reason: Text = ""
    status: Text = ""

    @property
    def new_entry(self) -> NewEntry:
        return NewEntry(self.kind, self.student, time_of(self.time.strip()), self.reason, self.status or None)


class DayOfPage(BaseModel):
    """The school and the day of the page that sent the form."""

    school: PathId
    date: Day


@router.get("")
@router.get("/search")
async def desk_page(
    request: Request,
    page_data: PageDataService,
    visitor: OfficeVisitor,
    of: RequestedDay,
    student: PathId | None = None,
    done: str = "",
    entry: PathId | None = None,
) -> Response:
    """The desk: a search, the chosen student, and the entries of the day.

    `done` names what led back to the page, `entry` the entry that it was done to.
    """
    return await _page(request, page_data, visitor, of, student, done=done, entry_id=entry)


# The searches are POST, because browsers and proxies keep addresses.
@router.post("/search")
async def search(
    request: Request, page_data: PageDataService, visitor: OfficeVisitor, of: RequestedDay, words: TypedWords = ""
) -> Response:
    """The desk with the students whom the words find."""
    found = await page_data.found(of.school.id, of.day, words, visitor.caller)
    return await _page(request, page_data, visitor, of, None, found=found, words=words)


@router.post("/search/hits")
async def hits(
    request: Request, page_data: PageDataService, visitor: OfficeVisitor, of: RequestedDay, words: TypedWords = ""
) -> Response:
    """The students whom the page finds while a name is typed."""
    found = await page_data.found(of.school.id, of.day, words, visitor.caller)
    return site_of(request).page(request, "desk_found.html", of=of, found=found, words=words)


@router.post("")
async def enter(
    request: Request,
    desk: DeskEntriesService,
    page_data: PageDataService,
    schools: SchoolsService,
    visitor: OfficeVisitor,
    now: Now,
    form: Annotated[EntryForm, Form()],
) -> Response:
    """Enters an arrival or a departure."""
    try:
        keyed = form.keyed(visitor.caller.actor, "desk", now, _entered)
        result = await desk.enter(form.new_entry, visitor.caller, keyed, school_id=form.school, day=form.date)
        entry_id = result.entry.id
    except AlreadyAnswered as repeated:
        entry_id = repeated.answer["id"]
    except WRONG as error:
        of = await school_day(schools, visitor, form.school, form.date, now)
        return await _page(request, page_data, visitor, of, form.student, typed=form, error=error)
    return _back(form, "entered", entry_id)


@router.post("/{id}/complete")
async def complete(
    desk: DeskEntriesService, visitor: OfficeVisitor, entry_id: EntryId, form: Annotated[DayOfPage, Form()]
) -> Response:
    """Completes an entry that was interrupted."""
    try:
        await desk.complete(entry_id, visitor.caller)
    except BatchIsOpen:
        return _back(form, "busy")
    except WRONG:
        return _back(form, "refused")
    return _back(form, "entered", entry_id)


@router.post("/{id}/undo")
async def undo(
    desk: DeskEntriesService, visitor: OfficeVisitor, entry_id: EntryId, form: Annotated[DayOfPage, Form()]
) -> Response:
    """Undoes an entry. While a register is being saved, nothing is undone, and the page says so."""
    try:
        await desk.undo(entry_id, visitor.caller)
    except BatchIsOpen:
        return _back(form, "busy")
    return _back(form, "undone")


@router.get("/{id}/slip")
async def slip(
    request: Request, page_data: PageDataService, schools: SchoolsService, visitor: OfficeVisitor, entry_id: EntryId
) -> Response:
    """A slip for the student to show in class."""
    entry, names = await page_data.entry(entry_id, visitor.caller)
    school = await schools.find(entry.school_id, visitor.caller)
    return site_of(request).page(request, "desk_slip.html", visitor=visitor, entry=entry, names=names, school=school)


def _entered(result: EntryResult) -> dict[str, Any]:
    return {"id": result.entry.id}


# Without a fragment, which would keep the search from taking the focus for the next student.
def _back(form: EntryForm | DayOfPage, done: str, entry_id: int | None = None) -> Response:
    query = {"school": form.school, "date": form.date.isoformat(), "done": done}
    return redirect_to(f"{PATH}?{urlencode(query | ({} if entry_id is None else {'entry': entry_id}))}")


async def _page(
    request: Request,
    page_data: DeskPageData,
    visitor: Visitor,
    of: SchoolDay,
    student_id: int | None,
    *,
    found: FoundStudents | None = None,
    words: str = "",
    typed: EntryForm | None = None,
    error: AdsumError | None = None,
    done: str = "",
    entry_id: int | None = None,
) -> Response:
    return site_of(request).page(
        *(request, "desk.html"),
        status=status_with(error),
        visitor=visitor,
        of=of,
        desk=await page_data.read(of.school.id, of.day, student_id, visitor.caller),
        found=found,
        words=words,
        typed=typed,
        error=error,
        done=done,
        entry_id=entry_id,
        key=str(uuid4()),
    )
