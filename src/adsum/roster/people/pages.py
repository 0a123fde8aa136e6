"""`/admin/people`: who works at a school, in which role, who teaches what, and their logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from adsum.accounts.access import Permission, Role
from adsum.accounts.service import NewLogin
from adsum.platform.errors import AdsumError, NotFound
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PlainText
from adsum.platform.pages.forms import WRONG, done, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import Page, PageRequest
from adsum.roster.people.repository import PersonRow
from adsum.roster.people.rules import PersonFilters
from adsum.roster.people.service import Person, grantable_roles
from adsum.schools.context import CurrentSchool, SchoolContext
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SHOWN = 200
Text = Annotated[PlainText, Form(max_length=300)]
A_DAY = timedelta(days=1)
NO_ADMINS: Page[Person] = Page([], None)


@router.get("/admin/people")
async def people(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    words: Annotated[Words, Query()] = "",
    cursor: str | None = None,
    teacher: Annotated[PlainText, Query()] = "",
) -> Response:
    """Everyone who works at the school; `teacher`: the source id of a person who is to get a login."""
    typed = {"teacher": teacher, "role": Role.TEACHER.value if teacher else ""}
    return await _page(request, adsum, context, words=words, cursor=cursor, typed=typed)


@router.post("/admin/people")
async def add_login(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    role: Annotated[Role, Form()],
    email: Text = "",
    teacher: Text = "",
) -> Response:
    """Adds a login, and shows its password: once, so there is no address to come back to."""
    school_id = None if role is Role.ADMIN else context.school.id
    try:
        login = await adsum.people.add_login(
            email, role, context.caller, school_id=school_id, teacher=teacher.strip() or None
        )
    except (*WRONG, NotFound) as error:
        typed = {"email": email, "role": role.value, "teacher": teacher}
        return await _page(request, adsum, context, typed=typed, error=error)
    return await _page(request, adsum, context, login=login)


@router.post("/admin/people/password")
async def new_password(request: Request, adsum: OpenAdsum, context: CurrentSchool, email: Text) -> Response:
    """Gives a new password, and shows it once."""
    return await _page(request, adsum, context, login=await adsum.people.new_password(email, context.caller))


@router.post("/admin/people/disable")
async def disable(adsum: OpenAdsum, context: CurrentSchool, email: Text) -> Response:
    """Ends a login."""
    user = await adsum.people.disable(email, context.caller)
    return done(f"{context.at('people')}#person-{user.id}")


@router.post("/admin/people/enable")
async def enable(adsum: OpenAdsum, context: CurrentSchool, email: Text) -> Response:
    """Lets somebody sign in again."""
    user = await adsum.people.enable(email, context.caller)
    return done(f"{context.at('people')}#person-{user.id}")


async def _page(
    request: Request,
    adsum: Adsum,
    context: SchoolContext,
    *,
    words: str = "",
    cursor: str | None = None,
    typed: dict[str, str] | None = None,
    error: AdsumError | None = None,
    login: NewLogin | None = None,
) -> Response:
    filters = PersonFilters(context.school.id, words.strip() or None)
    page = await adsum.people.page(filters, context.caller, PageRequest(cursor, SHOWN))
    manages = context.caller.may(Permission.USER_MANAGE)
    of_every_school = manages and context.caller.schools is None and cursor is None
    every = PersonFilters(None, filters.words)
    admins = await adsum.people.page(every, context.caller, PageRequest(limit=SHOWN)) if of_every_school else NO_ADMINS
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


def by_name(row: PersonRow) -> tuple[str, str, str]:
    """The order of people on a page; who has no name stands by their email."""
    return row.family_name.casefold() or (row.email or ""), row.given_name.casefold(), row.email or ""
