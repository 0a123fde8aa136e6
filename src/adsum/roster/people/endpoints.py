"""`/users`: the staff of the schools, and their logins."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.accounts.names import NameOfRoster
from adsum.accounts.profile.schemas import sent_name
from adsum.accounts.rules import EmailTaken
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import Page, PathId
from adsum.roster.people.rules import LastAdmin, NoLogin, OwnLogin, PersonOfRoster
from adsum.roster.people.schemas import ChangeUser, NewUser, UserItem, UserQuery, UserSearch, UserWithPassword
from adsum.roster.people.service import People

router = APIRouter(prefix="/users", tags=["users"], route_class=JsonRoute)
PeopleService = Annotated[People, Depends(provided(People))]
Manager = Annotated[Caller, Depends(require(Permission.USER_MANAGE))]
UserId = Annotated[PathId, Path(alias="id")]


@router.get("", name="listUsers", summary="Users")
async def list_users(query: Annotated[UserQuery, Query()], people: PeopleService, caller: Manager) -> Page[UserItem]:
    """The staff of the schools that you see, by id; and the admins of all schools, if you see all schools."""
    page = await people.page(query.filters, caller, query.page)
    items = [UserItem.model_validate(person.row) for person in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.post("/search", name="searchUsers", summary="Users, with filters in the body", responses=raises(NotFound))
async def search_users(query: UserSearch, people: PeopleService, caller: Manager) -> Page[UserItem]:
    """As `GET /users`, also by name and email, which proxies would write into logs as a part of an address."""
    return await list_users(query, people, caller)


@router.post(
    "", name="addUser", summary="Add a user", status_code=HTTPStatus.CREATED, responses=raises(EmailTaken, NameOfRoster)
)
async def add_user(body: NewUser, people: PeopleService, caller: Manager) -> UserWithPassword:
    """Generates a first password, which works once: the user then chooses their own.

    403 if the role can do what you may not. A repeated request is refused with 409 `email_taken`, unless its `teacher`
    links the login to the roster.
    """
    name = sent_name(body.given_name, body.family_name)
    added = await people.add_login(
        body.email, body.role, caller, school_id=body.school_id, teacher=body.teacher, name=name
    )
    return UserWithPassword.of(added)


@router.get("/{id}", name="getUser", summary="A user")
async def get_user(user_id: UserId, people: PeopleService, caller: Manager) -> UserItem:
    """404 for a user of a school that you do not see."""
    return UserItem.model_validate((await people.find(user_id, caller)).row)


@router.patch(
    "/{id}",
    name="changeUser",
    summary="Change role, school, name or state of a user",
    responses=raises(OwnLogin, LastAdmin, NoLogin, PersonOfRoster, NameOfRoster),
)
async def change_user(user_id: UserId, body: ChangeUser, people: PeopleService, caller: Manager) -> UserItem:
    """Takes effect with the next request of the user, whose sign-ins end, unless only the name changes.

    403 if you lack a right that the user has or would get. 409 `own_login` for yourself, `last_admin` if nobody else is
    an active admin of all schools, `person_of_roster` and `name_of_roster` for the school and the name of a person of
    the roster.
    """
    return UserItem.model_validate(await people.change(user_id, body.to_change(), caller))


@router.post(
    "/{id}/password", name="resetPassword", summary="Generate a first password", responses=raises(OwnLogin, NoLogin)
)
async def reset_password(user_id: UserId, people: PeopleService, caller: Manager) -> UserWithPassword:
    """Ends all sign-ins of the user. The password works once. 409 `own_login` for yourself: see `changePassword`."""
    return UserWithPassword.of(await people.new_password(user_id, caller))


@router.post(
    "/{id}/unlock", name="unlockUser", summary="Clear the failed sign-ins of a user", responses=raises(NoLogin)
)
async def unlock_user(user_id: UserId, people: PeopleService, caller: Manager) -> UserItem:
    """Those of an address stay counted."""
    return UserItem.model_validate(await people.unlock(user_id, caller))


@router.post("/{id}/sign-out", name="signOutUser", summary="End all sign-ins of a user", responses=raises(NoLogin))
async def sign_out_user(user_id: UserId, people: PeopleService, caller: Manager) -> UserItem:
    """Their tokens are refused from then on. API keys stay valid."""
    return UserItem.model_validate(await people.sign_out(user_id, caller))
