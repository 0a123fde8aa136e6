"""`/calls`: the students to call because of an unexplained absence of a day. `/calls.csv`: the list as a file."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import StreamingResponse

from adsum.absences.contacts import endpoints
from adsum.absences.contacts.endpoints import ContactsService
from adsum.absences.contacts.page_data import CallListPageData
from adsum.absences.contacts.rules import ContactResult, EnteredContact, NewContact
from adsum.absences.contacts.schemas import ToCallQuery
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.visitors import OfficeVisitor, Visitor
from adsum.platform.database.answers import AlreadyAnswered
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.list_files import FileKind, WantedFile
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, OnceForm, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.schools.context import RequestedDay, SchoolDay, SchoolsService, school_day

PATH = "/calls"
CSV = WantedFile(FileKind.CSV, has_bom=True).accept

router = APIRouter(include_in_schema=False, route_class=PageRoute)
PageDataService = Annotated[CallListPageData, Depends(provided(CallListPageData))]


class ContactForm(OnceForm):
    """A call about a student. An empty field is not given."""

    school: PathId
    date: Day
    student: PathId
    result: ContactResult
    person: PlainText = ""
    note: PlainText = ""
    explain_as: PlainText = ""

    @property
    def contact(self) -> NewContact:
        return NewContact(self.result, self.person or None, self.note or None, self.explain_as or None)


@router.get(PATH)
async def call_list(
    request: Request, page_data: PageDataService, visitor: OfficeVisitor, of: RequestedDay, done: str = ""
) -> Response:
    """The call list of a day. `done` names the action that led back to the page."""
    return await _page(request, page_data, visitor, of, done=done)


@router.get(f"{PATH}.csv")
async def call_list_file(
    contacts: ContactsService,
    exports: Annotated[ListExports, Depends(provided(ListExports))],
    visitor: OfficeVisitor,
    of: RequestedDay,
) -> StreamingResponse:
    """The list as a CSV file."""
    query = ToCallQuery.model_validate({"schoolId": of.school.id, "date": of.day.isoformat()})
    answer = await endpoints.list_students_to_call(query, contacts, visitor.caller, exports, CSV)
    assert isinstance(answer, StreamingResponse), "a file was asked for"
    return answer


@router.post(PATH)
async def enter(
    request: Request,
    contacts: ContactsService,
    page_data: PageDataService,
    schools: SchoolsService,
    visitor: OfficeVisitor,
    now: Now,
    form: Annotated[ContactForm, Form()],
) -> Response:
    """Stores a call, and explains the absence if a status is chosen."""
    try:
        keyed = form.keyed(visitor.caller.actor, "call", now, _done)
        entered = await contacts.add(
            form.student, form.date, form.contact, visitor.caller, keyed, school_id=form.school
        )
        done = _done(entered)
    except AlreadyAnswered as repeated:
        done = repeated.answer
    except WRONG as error:
        of = await school_day(schools, visitor, form.school, form.date, now)
        return await _page(request, page_data, visitor, of, typed=form, error=error)
    query = {"school": form.school, "date": form.date.isoformat(), **done}
    return redirect_to(f"{PATH}?{urlencode(query)}#call-{form.student}")


def _done(entered: EnteredContact) -> dict[str, Any]:
    done = "entered" if entered.explained is None else "explained" if entered.explained else "gone"
    return {"done": done}


async def _page(
    request: Request,
    page_data: CallListPageData,
    visitor: Visitor,
    of: SchoolDay,
    *,
    typed: ContactForm | None = None,
    error: AdsumError | None = None,
    done: str = "",
) -> Response:
    return site_of(request).page(
        *(request, "absences/calls.html"),
        status=status_with(error),
        visitor=visitor,
        of=of,
        calls=await page_data.read(of.school.id, of.day, visitor.caller),
        typed=typed,
        error=error,
        done=done,
        new_key=lambda: str(uuid4()),
    )
