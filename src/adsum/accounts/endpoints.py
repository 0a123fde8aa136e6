"""`/auth`: exchanges an email and a password for a bearer token, lists sign-ins and ends them."""

from __future__ import annotations

from http.client import NO_CONTENT
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from adsum.accounts.access import Caller
from adsum.accounts.authentication import authenticated, choosing_password, confirming
from adsum.accounts.passwords.breached import BreachedListUnavailable
from adsum.accounts.rules import FirstPasswordUsed
from adsum.accounts.schemas import MAX_TYPED, ConfirmedAnswer, NewPassword, OwnSignInItem, SentConfirmation, TokenAnswer
from adsum.accounts.second_factors.rules import Proof, SecondFactorNeeded
from adsum.accounts.sign_ins.confirmations import Confirmations
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.sign_ins.service import PasswordSignIn, PasswordsOff
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.accounts.visitors import client_of, set_session_cookie
from adsum.platform.database.engine import StorageOutage
from adsum.platform.errors import ConfirmationNeeded, Overloaded, TooManyAttempts, Unauthenticated, WrongSecondFactor
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.rate_limits import limited_by_address
from adsum.platform.http.schemas import Page, PathId
from adsum.platform.http.transport import PlainHttp

router = APIRouter(tags=["authentication"], route_class=JsonRoute)


@router.post(
    "/auth/token",
    name="createToken",
    summary="Sign in",
    dependencies=[Depends(limited_by_address)],
    responses=raises(
        Unauthenticated,
        SecondFactorNeeded,
        WrongSecondFactor,
        FirstPasswordUsed,
        PasswordsOff,
        PlainHttp,
        TooManyAttempts,
        StorageOutage,
        Overloaded,
    ),
)
async def create_token(
    request: Request,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    passwords: Annotated[PasswordSignIn, Depends(provided(PasswordSignIn))],
    code: Annotated[str, Form(max_length=MAX_TYPED, description="A one-time code, or a recovery code.")] = "",
) -> TokenAnswer:
    """A token for the email (as `username`) and the password of a user. It is sent as `Authorization: Bearer …`.

    A generated password works once, and its token only for `POST /auth/password`.

    A user with a second factor sends a one-time code of their app, or a recovery code, as `code`: else the answer is
    401 `second_factor_needed`, whose `params.kinds` lists `passkey`, `totp` or `recovery_code`. Each code works once.

    429 after too many wrong passwords or codes from this address, 503 while too many sign in at once; `Retry-After` is
    the time to wait.
    """
    client = client_of(request, SignInKind.API)
    token = (await passwords.sign_in(form.username, form.password, client, code=code)).token
    return TokenAnswer(access_token=token.text, expires_in=token.expires_in)


@router.post(
    "/auth/password",
    name="changePassword",
    summary="Change your password",
    responses=raises(PasswordsOff, PlainHttp, ConfirmationNeeded, TooManyAttempts, BreachedListUnavailable),
)
async def change_password(
    request: Request,
    body: NewPassword,
    caller: Annotated[Caller, Depends(choosing_password)],
    passwords: Annotated[PasswordSignIn, Depends(provided(PasswordSignIn))],
) -> TokenAnswer:
    """Sets the caller's password, ends all their sign-ins, and returns a token of a new one.

    After signing in with a first password, only this endpoint can be called: others return 403
    `password_change_required`. The limits on wrong passwords are those of `POST /auth/token`.
    """
    client = client_of(request, SignInKind.API)
    signed = await passwords.change_password(caller, body.password, body.new_password, client)
    return TokenAnswer(access_token=signed.token.text, expires_in=signed.token.expires_in)


@router.post(
    "/auth/confirm",
    name="confirmSignIn",
    summary="Confirm that it is you",
    responses=raises(PlainHttp, TooManyAttempts),
)
async def confirm_sign_in(
    request: Request,
    response: Response,
    body: SentConfirmation,
    caller: Annotated[Caller, Depends(confirming)],
    confirmations: Annotated[Confirmations, Depends(provided(Confirmations))],
) -> ConfirmedAnswer:
    """Confirms the sign-in of the token, for critical actions, which otherwise get 403 `confirmation_needed`.

    A user with a second factor sends a `code`, any other their `password`. A confirmation lasts `ADSUM_CONFIRMED_FOR`,
    by default ten minutes, and signing in counts as one. API keys and tokens of `adsum token create` need none. The
    limits are those of `POST /auth/token`.

    The sign-in goes on under a new token, `accessToken`; the one that was sent is refused from then on.
    """
    confirmed = await confirmations.confirm(
        caller, body.password, Proof(code=body.code), client_of(request, SignInKind.API)
    )
    token = confirmed.token
    if "Authorization" not in request.headers:  # a session cookie
        set_session_cookie(request, response, token.text, token.expires_in)
    return ConfirmedAnswer(confirmed_until=confirmed.until, access_token=token.text, expires_in=token.expires_in)


@router.post(
    "/auth/revoke",
    name="revokeToken",
    response_class=Response,
    summary="Sign out",
    dependencies=[Depends(limited_by_address)],
    responses=raises(StorageOutage),
)
async def revoke_token(
    token: Annotated[str, Form(description="A token of `POST /auth/token`.")],
    tokens: Annotated[Tokens, Depends(provided(Tokens))],
    token_type_hint: Annotated[str, Form(description="Ignored: there is one type.")] = "",  # noqa: ARG001
) -> Response:
    """Ends the sign-in of a token (RFC 7009). The answer is 200 also if the token is not valid, or has ended."""
    await tokens.revoke(token)
    return Response()


@router.get("/auth/sign-ins", name="listSignIns", summary="List sign-ins")
async def list_sign_ins(
    caller: Annotated[Caller, Depends(authenticated)], tokens: Annotated[Tokens, Depends(provided(Tokens))]
) -> Page[OwnSignInItem]:
    """The caller's sign-ins that have not ended, the last used one first. There are at most 200 of each kind."""
    return Page(items=[OwnSignInItem.of(each, caller) for each in await tokens.sign_ins_of(caller)], next_cursor=None)


@router.delete("/auth/sign-ins/{id}", name="endSignIn", summary="End a sign-in", status_code=NO_CONTENT)
async def end_sign_in(
    sign_in_id: Annotated[PathId, Path(alias="id")],
    caller: Annotated[Caller, Depends(authenticated)],
    tokens: Annotated[Tokens, Depends(provided(Tokens))],
) -> None:
    """Ends a sign-in of the caller. Its token is refused from then on."""
    await tokens.end(caller, sign_in_id)


@router.delete("/auth/sign-ins", name="endOtherSignIns", summary="End other sign-ins", status_code=NO_CONTENT)
async def end_other_sign_ins(
    caller: Annotated[Caller, Depends(authenticated)], tokens: Annotated[Tokens, Depends(provided(Tokens))]
) -> None:
    """Ends all sign-ins of the caller but the one of this request."""
    await tokens.end_others(caller)
