"""The models of profiles."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.accounts.access import Role
from adsum.accounts.names import MAX_NAME, NameChange, PersonName
from adsum.accounts.profile.rules import Profile, ProfileChange
from adsum.platform.http.schemas import PlainText, RosterText, Schema, SentSchema

NameText = Annotated[RosterText, Field(max_length=MAX_NAME)]


class ProfileItem(Schema):
    """The caller, as they see themselves. `sourcedId`: in the roster, from which the name then comes."""

    id: int
    email: str
    given_name: str
    family_name: str
    role: Role
    school: Annotated[str | None, Field(description="The name of the school; null: all schools.")]
    sourced_id: Annotated[
        str | None, Field(description="The id in the roster, from which the name then comes; null: not in the roster.")
    ]
    language: Annotated[str | None, Field(description="Of the pages, such as `de`; null: that of the browser.")]

    @classmethod
    def of(cls, profile: Profile) -> ProfileItem:
        return cls(
            id=profile.id,
            email=profile.email,
            given_name=profile.name.given,
            family_name=profile.name.family,
            role=Role(profile.role),
            school=profile.school,
            sourced_id=profile.source_id,
            language=profile.language,
        )


class ChangeProfile(SentSchema):
    """Changes of a profile; omitted fields stay, each part of the name too."""

    given_name: NameText | None = None
    family_name: NameText | None = None
    language: Annotated[PlainText | None, Field(description="`en` or `de`; null: that of the browser.")] = None

    def to_change(self) -> ProfileChange:
        change = ProfileChange()
        name = NameChange.of(self.given_name, self.family_name)
        if name is not None:
            change["name"] = name
        if "language" in self.model_fields_set:
            change["language"] = self.language
        return change


def sent_name(given: str | None, family: str | None) -> PersonName | None:
    """The name of a new user; None: none was sent."""
    return None if given is None and family is None else PersonName.of(given or "", family or "")
