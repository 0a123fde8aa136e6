"""Wire format of API keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.accounts.access import Permission
from adsum.accounts.api_keys.rules import MAX_NETWORKS, MAX_OVERLAP, ApiKey, KeyChanges, KeyState, KeyStatus, KeyWarning
from adsum.accounts.rules import MAX_EMAIL
from adsum.platform.http.schemas import Id, Moment, PlainText, Schema, SentMoment, SentSchema

A_DAY_S = 24 * 3600

Name = Annotated[PlainText, Field(max_length=1_000, description="1 to 255 visible characters.")]
Email = Annotated[PlainText, Field(max_length=MAX_EMAIL, description="The email of the user who is responsible.")]
Expiry = Annotated[
    SentMoment | None, Field(description="Null: never, or as late as the setting and the calling key allow.")
]
Networks = Annotated[
    list[Annotated[PlainText, Field(max_length=100)]] | None,
    Field(
        max_length=1_000,
        description=f"At most {MAX_NETWORKS} addresses and networks (CIDR) from which the key may be used; null: "
        "all, or those of the calling key.",
    ),
]


class NewKeyBody(SentSchema):
    """A new key. `owner` is an email; omitted: the calling user, or the owner of the calling key."""

    name: Name
    permissions: Annotated[
        list[Permission], Field(max_length=100, description="The permissions of the key, at most those of the caller.")
    ]
    schools: Annotated[list[Id] | None, Field(max_length=10_000, description="Null: all schools.")] = None
    owner: Email | None = None
    expires_at: Expiry = None
    networks: Networks = None


class ChangedKeyBody(SentSchema):
    """New values of a key. Omitted fields stay as they are."""

    name: Name | None = None
    owner: Email | None = None
    expires_at: Expiry = None
    networks: Networks = None

    def to_changes(self) -> KeyChanges:
        changes = KeyChanges()
        if self.name is not None:
            changes["name"] = self.name
        if self.owner is not None:
            changes["owner"] = self.owner
        if "expires_at" in self.model_fields_set:
            changes["expires_at"] = self.expires_at
        if "networks" in self.model_fields_set:
            changes["networks"] = self.networks
        return changes


class RotationBody(SentSchema):
    """How long earlier secrets still work. 0: they end now."""

    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=int(MAX_OVERLAP.total_seconds()),
            strict=True,
            description="Seconds for which earlier secrets still work, up to 90 days; 0: they end now.",
        ),
    ] = A_DAY_S


class SecretItem(Schema):
    """A secret that works, without the secret itself. `endsAt` null: the present one.

    The last use is noted every five minutes.
    """

    created_at: Moment
    ends_at: Annotated[
        Moment | None,
        Field(description="The moment from which the secret no longer works; null: it is the present one."),
    ]
    last_used_at: Moment | None
    last_address: str | None


class KeyItem(Schema):
    """An API key without its secrets. `schools` null: all schools; `networks` null: from anywhere.

    `owner` is the email of the user who is responsible; null: nobody is, or the user `ownerId` was erased. The last use
    is that of any secret.
    """

    id: int
    name: Annotated[str, Field(description="1 to 255 visible characters, which tell people what the key is for.")]
    permissions: list[Permission]
    schools: Annotated[list[int] | None, Field(description="The schools of the key, by `id`; null: all schools.")]
    created_at: Moment
    revoked_at: Moment | None
    expires_at: Moment | None
    networks: list[str] | None
    owner_id: Annotated[
        int | None, Field(description="The `id` of the user who is responsible for the key; null: none.")
    ]
    owner: str | None
    state: Annotated[KeyState, Field(description="Whether the key works, has expired, or was revoked.")]
    warnings: Annotated[list[KeyWarning], Field(description="Reasons to look after the key, such as `expires_soon`.")]
    last_used_at: Moment | None
    last_address: str | None
    secrets: Annotated[
        list[SecretItem],
        Field(
            description="The secrets that work, without their text: the present one, and earlier ones after a rotation."
        ),
    ]

    @classmethod
    def of(cls, key: ApiKey, status: KeyStatus) -> KeyItem:
        return cls.model_validate(_values(key, status))


class KeyWithSecret(KeyItem):
    """A key with a new secret, which is shown only now."""

    secret: Annotated[str, Field(description="The text to send as `X-API-Key`. It is shown only now.")]

    @classmethod
    def showing(cls, key: ApiKey, status: KeyStatus, secret: str) -> KeyWithSecret:
        return cls.model_validate(_values(key, status) | {"secret": secret})


def _values(key: ApiKey, status: KeyStatus) -> dict[str, object]:
    names = ("id", "name", "permissions", "schools", "created_at", "revoked_at", "expires_at", "networks")
    values: dict[str, object] = {name: getattr(key, name) for name in (*names, "last_used_at", "last_address")}
    owner = key.owner
    values |= {"owner_id": owner and owner.id, "owner": owner and owner.email}
    values |= {"state": status.state, "warnings": status.warnings}
    return values | {"secrets": [SecretItem.model_validate(secret) for secret in key.secrets]}
