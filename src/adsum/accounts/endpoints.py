"""`POST /auth/token`: an email and a password for a bearer token."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel

from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.transport import address_of

router = APIRouter(tags=["authentication"])


class TokenAnswer(BaseModel):
    """OAuth 2's own names, in snake_case. `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no password
    expires_in: int


@router.post("/auth/token", name="createToken", summary="Sign in")
async def create_token(
    request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()], adsum: OpenAdsum
) -> TokenAnswer:
    """A token for the email (as `username`) and the password of a user. It is sent as `Authorization: Bearer …`.

    After too many wrong passwords for the account, or from the address, it is 429, and `Retry-After` says for how long.
    """
    token = await adsum.signing_in.sign_in(form.username, form.password, address_of(request))
    return TokenAnswer(access_token=token.text, expires_in=token.expires_in)
