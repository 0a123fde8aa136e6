"""`POST /auth/token`: exchanges an email and a password for a bearer token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import OAuth2PasswordRequestForm

from adsum.accounts.schemas import TokenAnswer
from adsum.accounts.sign_in import SigningIn
from adsum.platform.http.dependencies import provided
from adsum.platform.http.transport import address_of

router = APIRouter(tags=["authentication"])


@router.post("/auth/token", name="createToken", summary="Sign in")
async def create_token(
    request: Request,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    signing_in: Annotated[SigningIn, Depends(provided(SigningIn))],
) -> TokenAnswer:
    """A token for the email (as `username`) and the password of a user. It is sent as `Authorization: Bearer …`.

    429 after too many wrong passwords from this address, 503 while too many sign in at once; `Retry-After` is the time
    to wait.
    """
    token = (await signing_in.sign_in(form.username, form.password, address_of(request))).token
    return TokenAnswer(access_token=token.text, expires_in=token.expires_in)
