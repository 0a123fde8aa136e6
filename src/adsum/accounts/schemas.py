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

    access_token: Annotated[str, Field(description="The token, to be sent as `Authorization: Bearer …`.")]
    token_type: Annotated[Literal["bearer"], Field(description="Always `bearer`.")] = "bearer"  # noqa: S105 - no password
    expires_in: Annotated[int, Field(description="Seconds until the token ends.")]


class NewPassword(SentSchema):
    """The present password, unless it is a first one, and a new one."""

    password: Annotated[str | None, Field(max_length=MAX_TYPED, description="Omitted: it is a first password.")] = None
    new_password: Annotated[
        str,
        Field(max_length=MAX_TYPED, description="The new password. Short, common and breached passwords are refused."),
    ]


class SentConfirmation(SentSchema):
    """The password, or a one-time code or recovery code of a user who has a second factor."""

    password: Annotated[
        str, Field(max_length=MAX_TYPED, description="The password of a user without a second factor.")
    ] = ""
    code: Annotated[
        str,
        Field(
            max_length=MAX_TYPED,
            description="A code of the authenticator app, or a recovery code, of a user with a second factor.",
        ),
    ] = ""


class TokenItem(Schema):
    """A token, as `token create --json` prints it. `expiresIn` is in seconds."""

    access_token: Annotated[str, Field(description="The token, to be sent as `Authorization: Bearer …`.")]
    token_type: Annotated[Literal["bearer"], Field(description="Always `bearer`.")] = "bearer"  # noqa: S105 - no password
    expires_in: Annotated[int, Field(description="Seconds until the token ends.")]


class ConfirmedAnswer(TokenItem):
    """Until when the sign-in counts as confirmed, and its new token."""

    confirmed_until: Annotated[
        Moment, Field(description="The moment until which critical actions need no further confirmation, in UTC.")
    ]


class SignInItem(Schema):
    """A sign-in of a user. `agent` is the browser or program, as it names itself."""

    id: int
    kind: Annotated[
        SignInKind,
        Field(description="`page`: in the browser; `api`: `POST /auth/token`; `command`: `adsum token create`."),
    ]
    agent: Annotated[str, Field(description="The browser or program, as it names itself.")]
    created_at: Moment
    last_used_at: Moment
    ends_at: Annotated[Moment, Field(description="The moment at which the sign-in ends at the latest, in UTC.")]


class OwnSignInItem(SignInItem):
    """A sign-in of the caller. `isCurrent`: the request belongs to it."""

    is_current: Annotated[bool, Field(description="Whether the request belongs to this sign-in.")]

    @classmethod
    def of(cls, sign_in: SignIn, caller: Caller) -> OwnSignInItem:
        values = {name: getattr(sign_in, name) for name in SignInItem.model_fields}
        return cls(**values, is_current=sign_in.id == caller.sign_in_id)
