"""`/planned-absences`: planned absences of a school, the form that enters them, and one absence with its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from pydantic import BaseModel, Field

from adsum.absences.page_data import AbsencePageData, TypedAbsence, TypedSearch
from adsum.absences.rules import MAX_NAMED_RECORDS, MAX_SESSIONS, NO_SESSION_MEETS, AbsenceFilters
from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.kept_words.pages import SearchedWords
from adsum.accounts.visitors import OfficeVisitor, Visitor
from adsum.platform.errors import AdsumError, Invalid, StaleVersion, Violation
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.fields import day_or_violation
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.schools.context import RequestedDay, SchoolDay

PATH = "/planned-absences"

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)

AbsenceId = Annotated[PathId, Path(alias="id")]
AbsencesService = Annotated[Absences, Depends(provided(Absences))]
PageDataService = Annotated[AbsencePageData, Depends(provided(AbsencePageData))]
Text = Annotated[PlainText, Field(max_length=2_000)]


class ListQuery(BaseModel):
    """The filters of the list, as they were typed, and the result of the form that led to it.

    Attributes:
        first_day: an empty text is no filter; None is today.
        entered: the number of students.
        changed: the number of corrected records.
        unaffected: the sessions to which the absence does not apply.
        none_meets: these are all, and have times; otherwise they have none.
        kept: the number of records that keep the mark of the office or of another absence.
        records: the first of them.
    """

    first_day: Annotated[Text | None, Field(alias="from")] = None
    last_day: Annotated[Text, Field(alias="to")] = ""
    class_id: Annotated[Text, Field(alias="class")] = ""
    student: Text = ""
    revoked: bool = False
    cursor: str | None = None
    entered: int | None = None
    changed: int = 0
    unaffected: Annotated[list[PathId], Field(max_length=MAX_SESSIONS)] = []
    none_meets: bool = False
    kept: int = 0
    records: Annotated[list[PathId], Field(max_length=MAX_NAMED_RECORDS)] = []

    def filters(self, words: str, begin: str, today: date, violations: list[Violation]) -> AbsenceFilters:
        """The filters. A day that cannot be read is a violation, and does not filter.

        Absences from today on are listed the earliest first, others the latest first.
        """
        first_day = day_or_violation(begin, "/from", violations) if begin else None
        return AbsenceFilters(
            class_id=_id_or_none(self.class_id),
            student_id=_id_or_none(self.student),
            first_day=first_day,
            last_day=day_or_violation(self.last_day, "/to", violations) if self.last_day else None,
            with_revoked=self.revoked,
            words=words or None,
            earliest_first=first_day is not None and first_day >= today,
        )

    def address(self, school_id: int, searched: SearchedWords, first: str, last: str) -> str:
        """The address of the list of other days, with the same filters."""
        kept = {
            "from": first,
            "to": last,
            "school": school_id,
            "class": self.class_id,
            "student": self.student,
            "search": searched.sealed,
            "revoked": "true" if self.revoked else "",
        }
        days = {"from", "to"}
        return f"{PATH}?{urlencode({name: value for name, value in kept.items() if value or name in days})}"


class ContentForm(BaseModel):
    """The fields of an absence."""

    first_day: Text = ""
    last_day: Text = ""
    from_time: Text = ""
    to_time: Text = ""
    status: Text = ""
    reason: Text = ""
    session: list[PathId] = []

    @property
    def typed(self) -> TypedAbsence:
        return TypedAbsence(
            self.first_day.strip(),
            self.last_day.strip(),
            self.from_time.strip(),
            self.to_time.strip(),
            self.status,
            self.reason,
            tuple(dict.fromkeys(self.session)),
        )


class AbsenceForm(ContentForm):
    """The form that enters absences.

    `step`: `find` searches for students, `all` chooses those who are found, `enter` enters the absence.
    """

    student: list[PathId] = []
    words: Words = ""
    class_id: Annotated[Text, Field(alias="class")] = ""
    step: Text = "find"

    @property
    def search(self) -> TypedSearch:
        return TypedSearch(self.words, _id_or_none(self.class_id))


class ChangeForm(ContentForm):
    """The form that changes an absence, with the version that the visitor saw."""

    version: int


@router.get("")
async def list_page(
    request: Request,
    page_data: PageDataService,
    visitor: OfficeVisitor,
    of: RequestedDay,
    searched: SearchedWords,
    query: Annotated[ListQuery, Query()],
) -> Response:
    """The absences that include any of the days; by default of today and later."""
    violations: list[Violation] = []
    begin = of.today.isoformat() if query.first_day is None else query.first_day
    filters = query.filters(searched.words, begin, of.today, violations)
    try:
        listed = await page_data.listed(of.school.id, filters, PageRequest(query.cursor), visitor.caller)
    except Invalid:  # The cursor comes from a page of yesterday, which had another first day.
        listed = await page_data.listed(of.school.id, filters, PageRequest(), visitor.caller)
    periods = [(of.today.isoformat(), ""), ("", (of.today - timedelta(days=1)).isoformat()), ("", "")]
    address_of = partial(query.address, of.school.id, searched)
    return site_of(request).page(
        *(request, "absences/list.html"),
        visitor=visitor,
        of=of,
        listed=listed,
        classes=await page_data.classes(of.school.id, visitor.caller),
        query=query,
        searched=searched,
        begin=begin,
        filters=filters,
        periods=periods,
        chosen_days=(begin, query.last_day) not in periods and not violations,
        is_filtered=bool(violations or filters.class_id or filters.student_id or filters.words),
        address_of=address_of,
        more=f"{address_of(begin, query.last_day)}&{urlencode({'cursor': listed.page.next_cursor})}",
        error=Invalid("", violations) if violations else None,
        unaffected=await page_data.session_titles(query.unaffected, visitor.caller),
    )


@router.get("/new")
async def entry_page(
    request: Request,
    page_data: PageDataService,
    visitor: OfficeVisitor,
    of: RequestedDay,
    student: Annotated[list[PathId], Query(max_length=100)] = [],  # noqa: B006 - never changed
    class_id: Annotated[PlainText, Query(alias="class")] = "",
) -> Response:
    """The form. `student` and `class` fill it."""
    form = AbsenceForm.model_validate({"student": student, "class": class_id, "first_day": of.day.isoformat()})
    return await _entry_page(request, page_data, visitor, of, form)


@router.post("/new")
async def enter(
    request: Request,
    page_data: PageDataService,
    absences: AbsencesService,
    visitor: OfficeVisitor,
    of: RequestedDay,
    form: Annotated[AbsenceForm, Form()],
) -> Response:
    """Searches for students, or enters the absence. A repeated form enters nothing twice."""
    caller, student_ids = visitor.caller, list(dict.fromkeys(form.student))
    if form.step == "all":
        student_ids += await page_data.found_ids(of.school.id, form.search, caller)
        form = form.model_copy(update={"student": list(dict.fromkeys(student_ids))})
    if form.step != "enter":
        return await _entry_page(request, page_data, visitor, of, form)
    try:
        absence = await page_data.read(of.school.id, form.typed, of.today, caller, student_ids)
        result = await absences.add(student_ids, absence, caller, school_id=of.school.id)
    except WRONG as error:
        return await _entry_page(request, page_data, visitor, of, form, error)
    days = {"from": absence.first_day, "to": absence.last_day}
    outcome = {
        "entered": len(student_ids) if result.is_new else 0,
        "changed": result.changed_records,
        "unaffected": _unaffected(result),
        "none_meets": any(each.code == NO_SESSION_MEETS for each in result.warnings),
        "kept": sum(each.kept_records for each in result.warnings),
        "records": [each for warning in result.warnings for each in warning.record_ids],
    }
    return redirect_to(f"{PATH}?{urlencode({'school': of.school.id} | days | outcome, doseq=True)}")


@router.get("/{id}")
async def absence_page(
    request: Request,
    absence_id: AbsenceId,
    page_data: PageDataService,
    visitor: OfficeVisitor,
    history: str | None = None,
    done: str = "",
) -> Response:
    """One absence, with the form that changes it. `history` is a cursor; `done` names the action that led here."""
    return await _absence_page(request, absence_id, page_data, visitor, cursor=history, done=done)


@router.post("/{id}")
async def change(
    request: Request,
    absence_id: AbsenceId,
    page_data: PageDataService,
    absences: AbsencesService,
    visitor: OfficeVisitor,
    form: Annotated[ChangeForm, Form()],
) -> Response:
    """Changes the absence, if it has still the version that the visitor saw."""
    caller, planned = visitor.caller, (await absences.get(absence_id, visitor.caller)).planned
    today = planned.absence.first_day
    try:
        absence = await page_data.read(planned.school_id, form.typed, today, caller, [planned.student_id])
        await absences.change(absence_id, {form.version}, lambda _: absence, caller)
    except (*WRONG, StaleVersion) as error:
        return await _absence_page(request, absence_id, page_data, visitor, typed=form.typed, error=error)
    return redirect_to(f"{PATH}/{absence_id}?done=changed")


@router.post("/{id}/revoke")
async def revoke(
    request: Request,
    absence_id: AbsenceId,
    page_data: PageDataService,
    absences: AbsencesService,
    visitor: OfficeVisitor,
    version: Annotated[int, Form()],
) -> Response:
    """Revokes the absence, if it has still the version that the visitor saw. A second click changes nothing."""
    try:
        await absences.revoke(absence_id, {version}, visitor.caller)
    except StaleVersion as error:
        return await _absence_page(request, absence_id, page_data, visitor, error=error)
    return redirect_to(f"{PATH}/{absence_id}?done=revoked")


async def _entry_page(
    request: Request,
    page_data: AbsencePageData,
    visitor: Visitor,
    of: SchoolDay,
    form: AbsenceForm,
    error: AdsumError | None = None,
) -> Response:
    typed = form.typed
    day = typed.absence([], of.today).first_day
    options = await page_data.entry_options(of.school.id, form.search, form.student, day, form.session, visitor.caller)
    return site_of(request).page(
        *(request, "absences/new.html"),
        status=status_with(error),
        visitor=visitor,
        of=of,
        typed=replace(typed, status=typed.status or options.usual_status),
        search=form.search,
        options=options,
        error=error,
    )


async def _absence_page(
    request: Request,
    absence_id: int,
    page_data: AbsencePageData,
    visitor: Visitor,
    *,
    cursor: str | None = None,
    typed: TypedAbsence | None = None,
    error: AdsumError | None = None,
    done: str = "",
) -> Response:
    """`typed` is shown beside the present absence, with its version: to save it again overwrites the absence."""
    view = await page_data.view(absence_id, visitor.caller, cursor)
    return site_of(request).page(
        *(request, "absences/absence.html"),
        status=status_with(error),
        visitor=visitor,
        view=view,
        typed=typed or TypedAbsence.of(view.planned.absence),
        error=error,
        done=done,
    )


def _unaffected(result: AbsenceResult) -> Sequence[int]:
    """The sessions that the warnings name, as many as an address can hold."""
    return [session_id for warning in result.warnings for session_id in warning.session_ids][:MAX_SESSIONS]


def _id_or_none(text: str) -> int | None:
    """A chosen id of a form; None: none is chosen."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
