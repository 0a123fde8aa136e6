"""`/admin/covers/away`: the sessions of a teacher who is away, and the covers that are assigned to them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel, Field

from adsum.platform.errors import AdsumError, Invalid, Violation
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.fields import day_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.roster.covers.by_teacher.rules import MAX_DAYS, AwayPlan, CoverNeed
from adsum.roster.covers.by_teacher.service import TeachersAway
from adsum.roster.covers.rules import Cover
from adsum.roster.covers.service import Covers
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

AwayService = Annotated[TeachersAway, Depends(provided(TeachersAway))]
Text = Annotated[PlainText, Field(max_length=60)]
# Twenty on each day.
MAX_SESSIONS = 20 * MAX_DAYS


@dataclass(frozen=True, slots=True)
class Away:
    """The teacher who is away, and the days, as the visitor typed them."""

    teacher: int
    first_day: str
    last_day: str

    @property
    def days(self) -> tuple[date, date]:
        """Raises Invalid."""
        first = day_typed(self.first_day, "/from")
        return first, day_typed(self.last_day, "/to") if self.last_day else first


@dataclass(frozen=True, slots=True)
class Choices:
    """The covers that the form offers. `by_session`: teachers by day and session id; `for_all`: of all other ones."""

    by_session: Mapping[tuple[date, int], int] = field(default_factory=dict[tuple[date, int], int])
    for_all: int = 0

    def covers(self, plan: AwayPlan) -> list[Cover]:
        """The chosen covers of sessions of the plan."""
        chosen = [(need, self._teacher_of(need, plan)) for need in plan.needs]
        return [
            Cover(need.held.class_id, need.held.session_id, teacher, need.day, need.day)
            for need, teacher in chosen
            if teacher
        ]

    def _teacher_of(self, need: CoverNeed, plan: AwayPlan) -> int:
        of_all = self.for_all if need in plan.open_needs else 0
        return self.by_session.get((need.day, need.held.session_id), 0) or of_all


class AwayForm(BaseModel):
    """The form of the covers. `session` are `2024-12-25/456`, and `by` the id of the teacher of each, or ''."""

    teacher: PathId
    first_day: Annotated[Text, Field(alias="from")]
    last_day: Annotated[Text, Field(alias="to")]
    session: Annotated[list[Text], Field(max_length=MAX_SESSIONS)] = []
    by: Annotated[list[Text], Field(max_length=MAX_SESSIONS)] = []
    for_all: Annotated[int, Field(alias="all", ge=0, le=MAX_ID)] = 0


@router.get("/admin/covers/away")
async def away(
    request: Request,
    service: AwayService,
    context: CurrentSchool,
    teacher: PathId | None = None,
    first_day: Annotated[Day | None, Query(alias="from")] = None,
    last_day: Annotated[Day | None, Query(alias="to")] = None,
    assigned: Annotated[int | None, Query(ge=0, le=1000)] = None,
    *,
    suggest: bool = False,
) -> Response:
    """The form, and the sessions of a teacher. `suggest`: with a free teacher chosen for each open session."""
    first, last = first_day or context.today, last_day or first_day or context.today
    wanted = None if teacher is None else Away(teacher, first.isoformat(), last.isoformat())
    return await _page(request, service, context, wanted, suggests=suggest, assigned=assigned)


@router.post("/admin/covers/away")
async def assign(
    request: Request,
    service: AwayService,
    covers: Annotated[Covers, Depends(provided(Covers))],
    context: CurrentSchool,
    form: Annotated[AwayForm, Form()],
) -> Response:
    """Assigns the chosen covers, all or none."""
    wanted = Away(form.teacher, form.first_day, form.last_day)
    choices = Choices()
    try:
        choices = Choices(_chosen(form.session, form.by), form.for_all)
        plan = await service.plan(form.teacher, *wanted.days, context.caller)
        chosen = choices.covers(plan)
        if not chosen:
            detail = "choose a teacher for at least one session"
            raise Invalid(detail, [Violation("nothing_chosen", detail, "/covers")])
        await covers.assign_all(chosen, context.caller)
    except WRONG as error:
        return await _page(request, service, context, wanted, choices=choices, error=error)
    return redirect_to(_address(context, wanted) + f"&assigned={len(chosen)}")


def _chosen(sessions: list[str], teachers: list[str]) -> dict[tuple[date, int], int]:
    chosen: dict[tuple[date, int], int] = {}
    for session, teacher in zip(sessions, teachers, strict=False):
        day, _, session_id = session.partition("/")
        if teacher.isascii() and teacher.isdecimal() and session_id.isascii() and session_id.isdecimal():
            chosen[day_typed(day, "/covers"), int(session_id)] = int(teacher)
    return chosen


def _address(context: SchoolContext, wanted: Away) -> str:
    return f"{context.address('covers/away')}&teacher={wanted.teacher}&from={wanted.first_day}&to={wanted.last_day}"


async def _page(
    request: Request,
    service: TeachersAway,
    context: SchoolContext,
    wanted: Away | None,
    *,
    choices: Choices | None = None,
    suggests: bool = False,
    assigned: int | None = None,
    error: AdsumError | None = None,
) -> Response:
    plan = None
    if wanted is not None:
        try:
            plan = await service.plan(wanted.teacher, *wanted.days, context.caller)
        except WRONG as wrong:
            error = error or wrong
    by_session = plan.suggestions() if plan is not None and suggests else (choices or Choices()).by_session
    return site_of(request).page(
        *(request, "admin/away.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        teachers=await service.teachers(context.school.id, context.caller),
        wanted=wanted,
        plan=plan,
        chosen=by_session,
        suggests=suggests,
        address=None if wanted is None else _address(context, wanted),
        max_days=MAX_DAYS,
        assigned=assigned,
        error=error,
    )
