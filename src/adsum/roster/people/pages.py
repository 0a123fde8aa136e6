"""`/admin/people`: the people of a school, their roles, what they teach, and their logins."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response

from adsum.accounts.access import Role, may_erase, may_manage
from adsum.accounts.kept_words.pages import SearchedWords
from adsum.accounts.names import MAX_NAME, NameChange, PersonName
from adsum.accounts.rules import ROLES
from adsum.accounts.single_sign_on.identities import Identities
from adsum.platform.days import A_DAY
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.http.dependencies import provided, services_of
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.fields import number_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest, RowPage
from adsum.roster.people.rules import (
    GivenPassword,
    Person,
    PersonChange,
    PersonFilters,
    PersonRow,
    by_name,
    grantable_roles,
)
from adsum.roster.people.service import People
from adsum.schools.context import CurrentSchool, SchoolContext, SchoolsService
from adsum.schools.service import Schools

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PEOPLE_PER_PAGE = 200
MAX_SCHOOLS = 200
PeopleService = Annotated[People, Depends(provided(People))]
Text = Annotated[PlainText, Form(max_length=300)]
PersonId = Annotated[PathId, Path(alias="id")]
NO_ADMINS: RowPage[Person] = RowPage([], None)
ALL_SCHOOLS = "all"
DISTRICT_ADMIN = "district-admin"


class LoginAction(StrEnum):
    """The action of the visitor on a login."""

    CHANGED = "changed"
    RENAMED = "renamed"
    UNLOCKED = "unlocked"
    SIGNED_OUT = "signed-out"


class Shown(StrEnum):
    """The people of a list."""

    ALL = ""
    ACTIVE = "active"
    DISABLED = "disabled"
    WITHOUT_LOGIN = "without-login"

    def filters(self, school_id: int | None, role: Role | None, words: str) -> PersonFilters:
        return PersonFilters(
            school_id,
            of_district=school_id is None,
            role=role,
            disabled={Shown.ACTIVE: False, Shown.DISABLED: True}.get(self),
            with_login=None if self is Shown.ALL else self is not Shown.WITHOUT_LOGIN,
            words=words.strip() or None,
        )


@router.get("/admin/people")
async def people(
    request: Request,
    service: PeopleService,
    context: CurrentSchool,
    searched: SearchedWords,
    role: Literal["", "admin", "office", "teacher", "viewer", "operator"] = "",
    shown: Shown = Shown.ALL,
    cursor: str | None = None,
    teacher: Annotated[PlainText, Query()] = "",
    *,
    erased: bool = False,
) -> Response:
    """The people of the school. `teacher`: source id of a person whom the form adds a login for. `erased`: the visitor
    has erased a person.
    """
    typed = {"teacher": teacher, "role": Role.TEACHER.value if teacher else ""}
    chosen = {"words": searched.words, "search": searched.sealed, "role": role, "shown": shown.value}
    return await _list(request, service, context, chosen=chosen, cursor=cursor, typed=typed, erased=erased)


@router.post("/admin/people")
async def add_login(
    request: Request,
    service: PeopleService,
    context: CurrentSchool,
    role: Annotated[str, Form()],
    email: Text = "",
    teacher: Text = "",
    given_name: Annotated[Text, Form(alias="givenName")] = "",
    family_name: Annotated[Text, Form(alias="familyName")] = "",
) -> Response:
    """Adds a login and shows its password once; the response is not a redirect, so that no address shows it.

    `role` is that of a user of this school, or `district-admin`.
    """
    school_id = None if role == DISTRICT_ADMIN else context.school.id
    try:
        new = await service.add_login(
            email,
            _role(role),
            context.caller,
            school_id=school_id,
            teacher=teacher.strip() or None,
            name=PersonName.of(given_name, family_name),
        )
    except (*WRONG, NotFound) as error:
        typed = {"email": email, "role": role, "teacher": teacher, "given": given_name, "family": family_name}
        return await _list(request, service, context, typed=typed, error=error)
    return await _list(request, service, context, new=new)


@router.get("/admin/people/{id}")
async def person(
    request: Request,
    service: PeopleService,
    schools: SchoolsService,
    context: CurrentSchool,
    person_id: PersonId,
    done: LoginAction | None = None,
) -> Response:
    """One person, and what may be done with their login."""
    return await _person(request, service, schools, context, person_id, done=done)


@router.post("/admin/people/{id}/rights")
async def change_rights(
    request: Request,
    service: PeopleService,
    schools: SchoolsService,
    context: CurrentSchool,
    person_id: PersonId,
    role: Annotated[str, Form()],
    school: Annotated[str, Form()],
) -> Response:
    """Changes role and school. `school` is an id, or `all`."""
    try:
        school_id = None if school == ALL_SCHOOLS else number_typed(school, "/schoolId")
        await service.change(person_id, PersonChange(role=_role(role), school_id=school_id), context.caller)
    except WRONG as error:
        return await _person(request, service, schools, context, person_id, error=error)
    return redirect_to(_address(context, person_id, LoginAction.CHANGED))


@router.post("/admin/people/{id}/name")
async def rename(
    request: Request,
    service: PeopleService,
    schools: SchoolsService,
    context: CurrentSchool,
    person_id: PersonId,
    given_name: Annotated[Text, Form(alias="givenName")] = "",
    family_name: Annotated[Text, Form(alias="familyName")] = "",
) -> Response:
    """Changes the name of a person who is not of the roster."""
    name = PersonName.of(given_name, family_name)
    try:
        change = PersonChange(name=NameChange(name.given, name.family))
        await service.change(person_id, change, context.caller)
    except WRONG as error:
        return await _person(request, service, schools, context, person_id, error=error, name=name)
    return redirect_to(_address(context, person_id, LoginAction.RENAMED))


@router.post("/admin/people/{id}/password")
async def new_password(
    request: Request, service: PeopleService, schools: SchoolsService, context: CurrentSchool, person_id: PersonId
) -> Response:
    """Sets a new first password and shows it once."""
    try:
        new = await service.new_password(person_id, context.caller)
    except WRONG as error:
        return await _person(request, service, schools, context, person_id, error=error)
    return await _person(request, service, schools, context, person_id, new=new)


@router.post("/admin/people/{id}/disable")
async def disable(
    request: Request, service: PeopleService, schools: SchoolsService, context: CurrentSchool, person_id: PersonId
) -> Response:
    """Disables a login."""
    try:
        await service.change(person_id, PersonChange(disabled=True), context.caller)
    except WRONG as error:
        return await _person(request, service, schools, context, person_id, error=error)
    return redirect_to(_address(context, person_id))


@router.post("/admin/people/{id}/enable")
async def enable(service: PeopleService, context: CurrentSchool, person_id: PersonId) -> Response:
    """Enables a login."""
    await service.change(person_id, PersonChange(disabled=False), context.caller)
    return redirect_to(_address(context, person_id))


@router.post("/admin/people/{id}/unlock")
async def unlock(service: PeopleService, context: CurrentSchool, person_id: PersonId) -> Response:
    """Clears the failed sign-ins."""
    await service.unlock(person_id, context.caller)
    return redirect_to(_address(context, person_id, LoginAction.UNLOCKED))


@router.post("/admin/people/{id}/reset-factors")
async def reset_factors(service: PeopleService, context: CurrentSchool, person_id: PersonId) -> Response:
    """Removes the second factors."""
    await service.reset_factors(person_id, context.caller)
    return redirect_to(_address(context, person_id, LoginAction.SIGNED_OUT))


@router.post("/admin/people/{id}/disconnect")
async def disconnect(
    identities: Annotated[Identities, Depends(provided(Identities))],
    context: CurrentSchool,
    person_id: PersonId,
    identity: Annotated[int, Form(ge=1, le=MAX_ID)],
) -> Response:
    """Disconnects an account of the person at a provider, and ends all their sign-ins."""
    await identities.disconnect_visible(context.caller, identity, person_id)
    return redirect_to(_address(context, person_id, LoginAction.SIGNED_OUT))


@router.post("/admin/people/{id}/sign-out")
async def sign_out(service: PeopleService, context: CurrentSchool, person_id: PersonId) -> Response:
    """Ends all sign-ins."""
    await service.sign_out(person_id, context.caller)
    return redirect_to(_address(context, person_id, LoginAction.SIGNED_OUT))


def _role(text: str) -> Role:
    if text == DISTRICT_ADMIN:
        return Role.ADMIN
    try:
        return Role(text)
    except ValueError:
        detail = "choose a role"
        raise Invalid(detail, [Violation("unknown_role", detail, "/role")]) from None


def _address(context: SchoolContext, person_id: int, done: LoginAction | None = None) -> str:
    return context.address(f"people/{person_id}") + (f"&done={done}" if done else "")


async def _list(
    request: Request,
    service: People,
    context: SchoolContext,
    *,
    chosen: dict[str, str] | None = None,
    cursor: str | None = None,
    typed: dict[str, str] | None = None,
    error: AdsumError | None = None,
    new: GivenPassword | None = None,
    erased: bool = False,
) -> Response:
    chosen = {"words": "", "search": "", "role": "", "shown": ""} | (chosen or {})
    role = Role(chosen["role"]) if chosen["role"] else None
    shown, caller = Shown(chosen["shown"]), context.caller
    filters = shown.filters(context.school.id, role, chosen["words"])
    page = await service.page(filters, caller, PageRequest(cursor, PEOPLE_PER_PAGE))
    shows_admins = may_manage(caller, Role.ADMIN, None) and cursor is None and role in (None, Role.ADMIN)
    of_district = shown.filters(None, role, chosen["words"])
    admins = await service.page(of_district, caller, PageRequest(limit=PEOPLE_PER_PAGE)) if shows_admins else NO_ADMINS
    return _page(
        *(request, "admin/people.html", context, error, new),
        people=sorted(page.items, key=lambda person: by_name(person.row)),
        admins=sorted(admins.items, key=lambda person: by_name(person.row)),
        next_cursor=page.next_cursor,
        chosen=chosen,
        all_roles=ROLES,
        roles=grantable_roles(caller, context.school.id),
        district_admin=DISTRICT_ADMIN,
        may_manage=partial(_may_manage, context),
        may_erase=partial(_may_erase, context),
        erased=erased,
        typed={"email": "", "role": "", "teacher": "", "given": "", "family": ""} | (typed or {}),
    )


async def _person(
    request: Request,
    service: People,
    schools: Schools,
    context: SchoolContext,
    person_id: int,
    *,
    error: AdsumError | None = None,
    new: GivenPassword | None = None,
    name: PersonName | None = None,
    done: LoginAction | None = None,
) -> Response:
    person, caller = await service.find(person_id, context.caller), context.caller
    visible = (await schools.page(caller, PageRequest(limit=MAX_SCHOOLS))).items
    row, manages = person.row, _may_manage(context, person.row)
    services = services_of(request)
    identities = await services[Identities].visible(caller, row.id) if row.email and manages else ()
    roles = {role for school in visible for role in grantable_roles(caller, school.id)}
    return _page(
        *(request, "admin/person.html", context, error, new),
        person=person,
        row=row,
        schools=visible,
        roles=[role for role in ROLES if role in roles],
        all_schools=ALL_SCHOOLS,
        manages=manages,
        identities=identities,
        now=services.clock(),
        erases=_may_erase(context, row),
        is_own=row.id == caller.user_id,
        typed_name=name or row.name,
        done=done,
        whats_done=LoginAction,
    )


def _page(
    request: Request,
    template: str,
    context: SchoolContext,
    error: AdsumError | None,
    new: GivenPassword | None,
    **shown: Any,
) -> Response:
    return site_of(request).page(
        *(request, template),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        grants_district_admins=may_manage(context.caller, Role.ADMIN, None),
        most_of_name=MAX_NAME,
        a_day=A_DAY,
        error=error,
        new=new,
        **shown,
    )


def _may_manage(context: SchoolContext, row: PersonRow) -> bool:
    return may_manage(context.caller, Role(row.role), row.school_id)


def _may_erase(context: SchoolContext, row: PersonRow) -> bool:
    return may_erase(context.caller, Role(row.role), row.school_id)
