"""Wire format of the caller's second factors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.accounts.schemas import MAX_TYPED
from adsum.accounts.second_factors.repository import FactorRow
from adsum.accounts.second_factors.rules import FactorKind
from adsum.accounts.second_factors.service import OwnFactors
from adsum.platform.http.schemas import Moment, PlainText, Schema, SentSchema


class FactorItem(Schema):
    """A passkey, or an authenticator app. `id` is unique within its kind."""

    kind: Annotated[FactorKind, Field(description="`passkey`, or `totp` for an authenticator app.")]
    id: Annotated[int, Field(description="Unique among the factors of its kind.")]
    name: Annotated[str, Field(description="1 to 64 visible characters, chosen by the user.")]
    created_at: Moment
    last_used_at: Moment | None

    @classmethod
    def of(cls, kind: FactorKind, row: FactorRow) -> FactorItem:
        return cls(kind=kind, id=row.id, name=row.name, created_at=row.created_at, last_used_at=row.last_used_at)


class FactorsAnswer(Schema):
    """`recoveryCodes`: how many are left. `isRequired`: the caller's role needs a factor."""

    items: Annotated[list[FactorItem], Field(description="The passkeys and authenticator apps of the caller.")]
    recovery_codes: Annotated[int, Field(description="The number of recovery codes that are left.")]
    is_required: Annotated[bool, Field(description="Whether the role of the caller needs a second factor.")]

    @classmethod
    def of(cls, own: OwnFactors) -> FactorsAnswer:
        rows = {FactorKind.PASSKEY: own.passkeys, FactorKind.TOTP: own.apps}
        items = [FactorItem.of(kind, row) for kind, of_kind in rows.items() for row in of_kind]
        return cls(items=items, recovery_codes=own.recovery_codes, is_required=own.is_required)


class TotpSetup(Schema):
    """The secret of a new app in base32, and as `otpauth://…` for a QR code. `setup` is sent with the app's code."""

    secret: Annotated[str, Field(description="The secret of the app in base32, to be typed.")]
    address: Annotated[str, Field(description="The secret as an `otpauth://` address, for a QR code.")]
    setup: Annotated[str, Field(description="An opaque text that `POST /auth/second-factors/totp/confirm` takes back.")]


class NewTotp(SentSchema):
    """`setup`, as `POST /auth/second-factors/totp` has returned it, and the code that the app shows."""

    setup: Annotated[str, Field(max_length=MAX_TYPED, description="The `setup` of `POST /auth/second-factors/totp`.")]
    code: Annotated[str, Field(max_length=MAX_TYPED, description="The six digits that the app shows.")]
    name: Annotated[
        PlainText, Field(max_length=MAX_TYPED, description="The name of the app, 1 to 64 visible characters.")
    ]


class FactorName(SentSchema):
    """A new name."""

    name: Annotated[PlainText, Field(max_length=MAX_TYPED, description="The new name, 1 to 64 visible characters.")]


class RecoveryCodes(Schema):
    """The codes, which can be shown only now. Empty: the user has a factor already, and keeps the earlier codes."""

    recovery_codes: Annotated[
        list[str],
        Field(description="Ten codes, shown only now, each of which works once. Empty: the earlier ones stay."),
    ]
