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

    kind: FactorKind
    id: int
    name: str
    created_at: Moment
    last_used_at: Moment | None

    @classmethod
    def of(cls, kind: FactorKind, row: FactorRow) -> FactorItem:
        return cls(kind=kind, id=row.id, name=row.name, created_at=row.created_at, last_used_at=row.last_used_at)


class FactorsAnswer(Schema):
    """`recoveryCodes`: how many are left. `isRequired`: the caller's role needs a factor."""

    items: list[FactorItem]
    recovery_codes: int
    is_required: bool

    @classmethod
    def of(cls, own: OwnFactors) -> FactorsAnswer:
        rows = {FactorKind.PASSKEY: own.passkeys, FactorKind.TOTP: own.apps}
        items = [FactorItem.of(kind, row) for kind, of_kind in rows.items() for row in of_kind]
        return cls(items=items, recovery_codes=own.recovery_codes, is_required=own.is_required)


class TotpSetup(Schema):
    """The secret of a new app in base32, and as `otpauth://…` for a QR code. `setup` is sent with the app's code."""

    secret: str
    address: str
    setup: str


class NewTotp(SentSchema):
    """`setup`, as `POST /auth/second-factors/totp` has returned it, and the code that the app shows."""

    setup: Annotated[str, Field(max_length=MAX_TYPED)]
    code: Annotated[str, Field(max_length=MAX_TYPED)]
    name: Annotated[PlainText, Field(max_length=MAX_TYPED)]


class FactorName(SentSchema):
    """A new name."""

    name: Annotated[PlainText, Field(max_length=MAX_TYPED)]


class RecoveryCodes(Schema):
    """The codes, which can be shown only now. Empty: the user has a factor already, and keeps the earlier codes."""

    recovery_codes: list[str]
