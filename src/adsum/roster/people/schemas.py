"""Wire format of users."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.accounts.access import Role
from adsum.accounts.names import NameChange
from adsum.accounts.profile.schemas import NameText
from adsum.accounts.rules import MAX_EMAIL
from adsum.platform.http.queries import PageQuery, SentInBody, Words
from adsum.platform.http.schemas import Flag, Id, PathId, PlainText, RosterText, Schema, SentSchema
from adsum.roster.people.rules import GivenPassword, PersonChange, PersonFilters

Email = Annotated[PlainText, Field(max_length=MAX_EMAIL, description="The email address, in upper or lower case.")]


class UserItem(Schema):
    """A member of staff. `sourcedId` is the id in the roster file.

    `hasFirstPassword`: the password was generated, and the user has to choose their own.
    """

    id: int
    email: Annotated[str | None, Field(description="Null: a person of the roster who cannot sign in.")]
    role: Role
    school_id: Annotated[int | None, Field(description="Null: all schools.")]
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    given_name: str
    family_name: str
    disabled: bool
    has_first_password: Annotated[
        bool, Field(description="Whether the password was generated, and the user has to choose their own.")
    ]


class UserWithPassword(Schema):
    """A user and their new first password, which is shown only here and works once."""

    user: Annotated[UserItem, Field(description="The user after the change.")]
    password: Annotated[str, Field(description="The first password, which is shown only now and works once.")]

    @classmethod
    def of(cls, new: GivenPassword) -> UserWithPassword:
        return cls(user=UserItem.model_validate(new.person), password=new.password)


class UserQuery(PageQuery):
    """Filters of the list of users."""

    school_id: PathId | None = None
    role: Annotated[Role | None, Field(description="Only users with this role.")] = None
    disabled: Annotated[bool | None, Field(description="Only disabled users, or only the others.")] = None
    with_login: Annotated[bool | None, Field(description="Whether they have an email.")] = None

    @property
    def filters(self) -> PersonFilters:
        return PersonFilters(self.school_id, role=self.role, disabled=self.disabled, with_login=self.with_login)


class UserSearch(SentInBody, UserQuery):
    """Filters of a search for users."""

    q: Annotated[Words | None, Field(description="Words of the names, the email or the sourced id.")] = None

    @property
    def filters(self) -> PersonFilters:
        return PersonFilters(
            self.school_id, role=self.role, disabled=self.disabled, with_login=self.with_login, words=self.q
        )


class NewUser(SentSchema):
    """A new login. With `teacher` it belongs to that person of the roster.

    A login of a teacher of the school with this email, who is not linked to the roster, then becomes theirs: it keeps
    its id, second factors and history, and gets the new password.
    """

    email: Email
    role: Role
    school_id: Annotated[
        Id | None, Field(description="Null: all schools, for an admin; else the only school that you see.")
    ] = None
    teacher: Annotated[
        Annotated[RosterText, Field(max_length=255)] | None, Field(description="The sourced id of a teacher.")
    ] = None
    given_name: Annotated[NameText | None, Field(description="Not with `teacher`: the roster has the name.")] = None
    family_name: Annotated[NameText | None, Field(description="Not with `teacher`.")] = None


class ChangeUser(SentSchema):
    """Changes of a user; omitted fields stay, each part of the name too."""

    role: Role | None = None
    school_id: Annotated[Id | None, Field(description="Null: all schools, for an admin.")] = None
    disabled: Annotated[
        Flag | None, Field(description="`true` ends all sign-ins of the user, who can no longer sign in.")
    ] = None
    given_name: NameText | None = None
    family_name: NameText | None = None

    def to_change(self) -> PersonChange:
        change = PersonChange()
        if self.role is not None:
            change["role"] = self.role
        if "school_id" in self.model_fields_set:
            change["school_id"] = self.school_id
        if self.disabled is not None:
            change["disabled"] = self.disabled
        name = NameChange.of(self.given_name, self.family_name)
        if name is not None:
            change["name"] = name
        return change
