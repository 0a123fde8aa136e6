"""Wire format of tokens and users."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from adsum.accounts.access import Caller
from adsum.accounts.sign_ins.rules import SignIn, SignInKind
from adsum.platform.http.schemas import Moment, Schema, SentSchema

# Longer than passwords may be, so that their own rule refuses them.
MAX_TYPED = 1_000


class TokenAnswer(BaseModel):
    """OAuth 2's own names, in snake_case. `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no password
    expires_in: int


class NewPassword(SentSchema):
    """The present password, unless it is a first one, and a new one."""

    password: Annotated[str | None, Field(max_length=MAX_TYPED, description="Omitted: it is a first password")] = None
    new_password: Annotated[str, Field(max_length=MAX_TYPED)]


class SentConfirmation(SentSchema):
    """The password, or a one-time code or recovery code of a user who has a second factor."""

    password: Annotated[str, Field(max_length=MAX_TYPED)] = ""
    code: Annotated[str, Field(max_length=MAX_TYPED)] = ""


class TokenItem(Schema):
    """A token, as `token create --json` prints it. `expiresIn` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no password
    expires_in: int


class ConfirmedAnswer(TokenItem):
    """Until when the sign-in counts as confirmed, and its new token."""

    confirmed_until: Moment


class SignInItem(Schema):
    """A sign-in of a user. `agent` is the browser or program, as it names itself."""

    id: int
    kind: SignInKind
    agent: str
    created_at: Moment
    last_used_at: Moment
    ends_at: Moment


class OwnSignInItem(SignInItem):
    """A sign-in of the caller. `isCurrent`: the request belongs to it."""

    is_current: bool

    @classmethod
    def of(cls, sign_in: SignIn, caller: Caller) -> OwnSignInItem:
        values = {name: getattr(sign_in, name) for name in SignInItem.model_fields}
        return cls(**values, is_current=sign_in.id == caller.sign_in_id)
