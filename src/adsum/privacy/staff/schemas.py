"""The JSON of erasures of staff."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.accounts.api_keys.ownership import KeyChoice
from adsum.platform.http.queries import WholeQuery
from adsum.platform.http.schemas import Id, Moment, PathId, RosterText, Schema, SentSchema
from adsum.privacy.staff.rules import ErasurePreview
from adsum.roster.people.schemas import UserItem

STAYS = (
    *("marks", "notes", "corrections", "plannedAbsences", "batches", "pastCovers", "pastAssignments"),
    *("holds", "merges", "auditEntries"),
)
"""The rows that stay after an erasure, with the id of the user as their author."""


class OwnedKeyItem(Schema):
    """An API key that the user owns, and that is not revoked."""

    id: int
    name: Annotated[str, Field(description="1 to 255 visible characters, which tell people what the key is for.")]
    expires_at: Moment | None


class ErasurePreviewAnswer(Schema):
    """The preview of an erasure. It removes the fields of `user` but `id`, `role` and `schoolId`, and these rows."""

    user: Annotated[
        UserItem, Field(description="The user, whose fields except `id`, `role` and `schoolId` are removed.")
    ]
    sign_ins: Annotated[int, Field(description="The number of sign-ins that end.")]
    second_factors: Annotated[int, Field(description="Passkeys and authenticator apps.")]
    identities: Annotated[int, Field(description="Accounts at providers of single sign-on.")]
    duties: Annotated[int, Field(description="Assignments and covers that have not ended; they end.")]
    answers: Annotated[int, Field(description="Kept under idempotency keys, which name the user.")]
    api_keys: Annotated[list[OwnedKeyItem], Field(description="To be revoked or handed over.")]
    leaves_tombstone: Annotated[bool, Field(description="So that rosters do not add the user again.")]
    stays: Annotated[list[str], Field(description="With the id of the user as the author.")]

    @classmethod
    def of(cls, preview: ErasurePreview) -> ErasurePreviewAnswer:
        return cls(
            user=UserItem.model_validate(preview.person),
            sign_ins=preview.login.sign_ins,
            second_factors=preview.login.second_factors,
            identities=preview.login.identities,
            duties=preview.login.duties,
            answers=preview.login.answers,
            api_keys=[OwnedKeyItem.model_validate(key) for key in preview.api_keys],
            leaves_tombstone=preview.leaves_tombstone,
            stays=list(STAYS),
        )


class ErasureQuery(WholeQuery):
    """The choice for the API keys of the user."""

    revoke_keys: Annotated[bool, Field(description="Revoke them.")] = False
    new_owner_id: Annotated[PathId | None, Field(description="The user who gets them.")] = None

    @property
    def key_choice(self) -> KeyChoice:
        return KeyChoice(self.revoke_keys, self.new_owner_id)


class ErasedUserAnswer(Schema):
    """The erased user, and what became of their API keys."""

    user_id: int
    revoked_key_ids: Annotated[list[int], Field(description="The API keys that were revoked, by `id`.")]
    handed_over_key_ids: Annotated[list[int], Field(description="The API keys that the new owner has got, by `id`.")]


class UserReadmission(SentSchema):
    """A person who may come back: their id in the roster of the school."""

    school_id: Annotated[Id, Field(description="The `id` of the school whose roster names the user.")]
    sourced_id: Annotated[
        RosterText,
        Field(min_length=1, max_length=255, description="The id of the erased user in the roster of the school."),
    ]
