"""`/admin/people`: the people of a school, their roles, what they teach, and their logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from adsum.accounts.access import Permission, Role
from adsum.accounts.service import NewLogin
from adsum.platform.errors import AdsumError, NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PlainText
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import Page, PageRequest
from adsum.roster.people.rules import Person, PersonFilters, by_name, grantable_roles
from adsum.roster.people.service import People
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PEOPLE_PER_PAGE = 200
PeopleService = Annotated[People, Depends(provided(People))]
Text = Annotated[PlainText, Form(max_length=300)]
A_DAY = timedelta(days=1)
NO_ADMINS: Page[Person] = Page([], None)


@router.get("/admin/people")
async def people(
    request: Request,
    service: PeopleService,
    context: CurrentSchool,
    words: Annotated[Words, Query()] = "",
    cursor: str | None = None,
    teacher: Annotated[PlainText, Query()] = "",
) -> Response:
    """The people of the school. `teacher`: source id of a person whom the form adds a login for."""
    typed = {"teacher": teacher, "role": Role.TEACHER.value if teacher else ""}
    return await _page(request, service, context, words=words, cursor=cursor, typed=typed)


@router.post("/admin/people")
async def add_login(
    request: Request,
    service: PeopleService,
    context: CurrentSchool,
    role: Annotated[Role, Form()],
    email: Text = "",
    teacher: Text = "",
) -> Response:
    """Adds a login and shows its password once; the response is not a redirect, so that no address shows it."""
    school_id = None if role is Role.ADMIN else context.school.id
    try:
        login = await service.add_login(
            email, role, context.caller, school_id=school_id, teacher=teacher.strip() or None
        )
    except (*WRONG, NotFound) as error:
        typed = {"email": email, "role": role.value, "teacher": teacher}
        return await _page(request, service, context, typed=typed, error=error)
    return await _page(request, service, context, login=login)


@router.post("/admin/people/password")
async def new_password(request: Request, service: PeopleService, context: CurrentSchool, email: Text) -> Response:
    """Sets a new password and shows it once."""
    return await _page(request, service, context, login=await service.new_password(email, context.caller))


@router.post("/admin/people/reset-factors")
async def reset_factors(service: PeopleService, context: CurrentSchool, email: Text) -> Response:
    """Removes the second factors of a user."""
    await service.reset_factors(email, context.caller)
    return redirect_to(context.address("people"))


@router.post("/admin/people/disable")
async def disable(service: PeopleService, context: CurrentSchool, email: Text) -> Response:
    """Disables a login."""
    user = await service.disable(email, context.caller)
    return redirect_to(f"{context.address('people')}#person-{user.id}")


@router.post("/admin/people/enable")
async def enable(service: PeopleService, context: CurrentSchool, email: Text) -> Response:
    """Enables a login."""
    user = await service.enable(email, context.caller)
    return redirect_to(f"{context.address('people')}#person-{user.id}")


async def _page(
    request: Request,
    service: People,
    context: SchoolContext,
    *,
    words: str = "",
    cursor: str | None = None,
    typed: dict[str, str] | None = None,
    error: AdsumError | None = None,
    login: NewLogin | None = None,
) -> Response:
    filters = PersonFilters(context.school.id, words.strip() or None)
    page = await service.page(filters, context.caller, PageRequest(cursor, PEOPLE_PER_PAGE))
    manages = context.caller.may(Permission.USER_MANAGE)
    shows_admins = manages and context.caller.schools is None and cursor is None
    every = PersonFilters(None, filters.words)
    admins = (
        await service.page(every, context.caller, PageRequest(limit=PEOPLE_PER_PAGE)) if shows_admins else NO_ADMINS
    )
    response = site_of(request).page(
        *(request, "admin/people.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        people=sorted(page.items, key=lambda person: by_name(person.row)),
        admins=sorted(admins.items, key=lambda person: by_name(person.row)),
        next_cursor=page.next_cursor,
        words=words,
        roles=grantable_roles(context.caller) if manages else [],
        typed={"email": "", "role": "", "teacher": ""} | (typed or {}),
        a_day=A_DAY,
        error=error,
        login=login,
    )
    if login is not None:
        response.headers["Cache-Control"] = "no-store"
    return response
