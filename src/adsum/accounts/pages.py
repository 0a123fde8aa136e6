"""Pages for signing in and out, the start page, and the choice of a language."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.access import Role
from adsum.accounts.passwords.rules import MAX_LENGTH, Strength
from adsum.accounts.profile.rules import ProfileChange
from adsum.accounts.profile.service import Profiles
from adsum.accounts.schemas import MAX_TYPED, OwnSignInItem
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.agents import agent_of
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.sign_ins.service import HalfWaySignIn, PasswordSignIn, PasswordsOff
from adsum.accounts.sign_ins.tokens import Outstanding, Tokens
from adsum.accounts.single_sign_on.identities import Identities
from adsum.accounts.single_sign_on.service import ProviderSignOut, SingleSignOn
from adsum.accounts.visitors import (
    HALF_WAY,
    Visitor,
    begin_session,
    client_of,
    delete_session_cookie,
    relying_party_of,
    session_token,
    set_device_cookie,
    set_private_cookie,
    set_session_cookie,
    signed_in,
    visitor_choosing_password,
    visitor_confirming,
)
from adsum.platform.errors import (
    AdsumError,
    Invalid,
    NotFound,
    Overloaded,
    TooManyAttempts,
    Unauthenticated,
    Violation,
    refuse,
)
from adsum.platform.http.cookies import A_YEAR_S, cookie_of, delete_cookie, set_cookie
from adsum.platform.http.dependencies import CurrentSettings, Now, provided, services_of
from adsum.platform.http.problems import headers_of, http_status_of
from adsum.platform.http.rate_limits import limited_by_address
from adsum.platform.http.transport import (
    NoPublicUrl,
    PlainHttp,
    address_of,
    public_origin,
    require_private_transport,
    require_same_origin,
)
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.languages import COOKIE
from adsum.platform.pages.local_paths import START, local_path
from adsum.platform.pages.page_visitor import require_own_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import CHOICE_OF_PASSWORD, PageRoute, after_sign_in, wants_json
from adsum.platform.settings import Settings

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Typed = Annotated[str, Form(max_length=MAX_TYPED)]

SIGN_INS = "/account/sign-ins"
PASSWORD = CHOICE_OF_PASSWORD
SECOND_STEP = "/sign-in/second-factor"
START_PAGES = {Role.TEACHER: "/today", Role.OPERATOR: "/batches"}
A_MINUTE_S = 60
SIGNED_OUT = "signed-out"


@router.get("/")
async def start(visitor: Annotated[Visitor, Depends(signed_in)]) -> RedirectResponse:
    """Redirects to the page on which the work of the role begins."""
    return RedirectResponse(START_PAGES.get(visitor.role, "/overview"), HTTPStatus.SEE_OTHER)


@router.get("/sign-in", dependencies=[Depends(limited_by_address)])
async def sign_in_page(
    request: Request,
    settings: CurrentSettings,
    next: str = START,  # noqa: A002 - the name in the address
    refused: str = "",
    state: str = "",
) -> Response:
    """The form and the providers, or instructions if the connection is not encrypted."""
    try:
        require_private_transport(request)
    except PlainHttp as error:
        return _plain_http(request, settings, error)
    signed_out = cookie_of(request, SIGNED_OUT)
    is_signed_out = signed_out is not None
    # A provider that has signed the visitor out sends back the value of the cookie.
    is_out_there = bool(state) and state == signed_out
    response = await _form(
        request,
        next,
        "",
        None,
        is_signed_out=is_signed_out,
        is_passkey_refused=refused == "passkey",
        is_out_there=is_out_there,
    )
    if is_signed_out:
        delete_cookie(request, response, SIGNED_OUT)
    return response


@router.post("/sign-in", dependencies=[Depends(limited_by_address), Depends(require_same_origin)])
async def sign_in(
    request: Request,
    settings: CurrentSettings,
    passwords: Annotated[PasswordSignIn, Depends(provided(PasswordSignIn))],
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    code: Typed = "",
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Signs in and redirects to `next`; first to the second step, if the user has a second factor.

    A script receives 204, and sends the code of a second factor together with the password. The earlier sign-in of this
    browser ends.
    """
    client = client_of(request)
    try:
        require_private_transport(request)
        if wants_json(request):
            signed = await passwords.sign_in(email, password, client, code=code)
        else:
            signed = await passwords.begin(email, password, client)
    except (PlainHttp, PasswordsOff, Unauthenticated, TooManyAttempts, Overloaded) as error:
        if wants_json(request):
            raise
        if isinstance(error, PlainHttp):
            return _plain_http(request, settings, error)
        return await _form(request, next, email, error)
    if isinstance(signed, HalfWaySignIn):
        return _to_second_step(request, signed, next)
    response = (
        Response(status_code=HTTPStatus.NO_CONTENT)
        if wants_json(request)
        else RedirectResponse(after_sign_in(next), HTTPStatus.SEE_OTHER)
    )
    await begin_session(request, response, signed)
    return response


def _to_second_step(request: Request, signed: HalfWaySignIn, next_path: str) -> Response:
    response = RedirectResponse(f"{SECOND_STEP}?next={quote(after_sign_in(next_path), safe='')}", HTTPStatus.SEE_OTHER)
    set_private_cookie(request, response, HALF_WAY, signed.text)
    return response


async def _form(
    request: Request,
    next_path: str,
    email: str,
    error: AdsumError | None,
    *,
    is_signed_out: bool = False,
    is_passkey_refused: bool = False,
    is_out_there: bool = False,
) -> Response:
    services = services_of(request)
    status = HTTPStatus.OK if error is None else http_status_of(error) or HTTPStatus.UNAUTHORIZED
    wait = error.params.get("retryAfter") if error is not None else None
    response = site_of(request).page(
        request,
        "sign_in.html",
        status=status,
        next=next_path,
        email=email,
        error=error,
        minutes=None if wait is None else ceil(wait / 60),
        is_signed_out=is_signed_out,
        is_passkey_refused=is_passkey_refused,
        is_out_there=is_out_there,
        providers=services[SingleSignOn].buttons(),
        passwords=services.settings.password_sign_in,
        busy=isinstance(error, Overloaded),
        has_passkeys=relying_party_of(request) is not None,
        is_new=await services[Accounts].is_new_installation(),
        visitor=None,
    )
    response.headers.update(headers_of(error) if error is not None else {})
    return response


def _plain_http(request: Request, settings: Settings, error: PlainHttp) -> Response:
    """The page that explains how to use HTTPS, and which setting allows plain HTTP."""
    public_url = settings.public_url
    status = http_status_of(error) or HTTPStatus.FORBIDDEN
    secure_url = public_url if public_url and public_url.startswith("https://") else None
    return site_of(request).page(
        request, "plain_http.html", status=status, secure_url=secure_url, address=address_of(request), visitor=None
    )


@router.post("/sign-out", dependencies=[Depends(limited_by_address), Depends(require_same_origin)])
async def sign_out(
    single_sign_on: Annotated[SingleSignOn, Depends(provided(SingleSignOn))],
    accounts: Annotated[Accounts, Depends(provided(Accounts))],
    tokens: Annotated[Tokens, Depends(provided(Tokens))],
    request: Request,
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """Ends the sign-in of this browser, or all of the visitor, and removes what the browser stores for this site.

    Also if the sign-in has ended before, for example without use: what the browser stores is still there.
    """
    token, then = session_token(request), START
    caller = None
    if token:
        with suppress(Unauthenticated):
            caller = await tokens.caller_of(token, despite=tuple(Outstanding))
            await require_own_form(request, caller.user_id)
    provider = await _provider_of(request, single_sign_on, token)
    if token and everywhere and caller is None:
        then = SIGN_INS  # after signing in, the visitor ends the others there
    elif caller is not None and everywhere:
        await accounts.end_tokens(caller)
    elif token:
        await tokens.revoke(token)
    response = _after_sign_out(request, provider, f"/sign-in?next={then}")
    # Unsaved marks are in the storage; cookies stay: the device stays known. Browsers ignore the header over plain
    # HTTP, so the next page removes the marks, too: a cookie tells it, which other sites cannot set.
    response.headers["Clear-Site-Data"] = '"storage"'
    set_cookie(request, response, SIGNED_OUT, "yes" if provider is None else provider.state, A_MINUTE_S)
    delete_session_cookie(request, response)
    return response


async def _provider_of(request: Request, single_sign_on: SingleSignOn, token: str | None) -> ProviderSignOut | None:
    """The provider at which the visitor has signed in, too; None: there is none, or it could not send them back."""
    try:
        return await single_sign_on.sign_out_of(token, f"{public_origin(request)}/sign-in") if token else None
    except NoPublicUrl:
        return None


def _after_sign_out(request: Request, provider: ProviderSignOut | None, then: str) -> Response:
    """A redirect to the sign-in page; if the provider has a page for signing out, one that leads there.

    Browsers do not follow the redirect of a form to another site, because of the Content-Security-Policy.
    """
    if provider is None:
        return RedirectResponse(then, HTTPStatus.SEE_OTHER)
    response = site_of(request).page(request, "signed_out.html", provider=provider, then=then, visitor=None)
    if provider.address is not None:
        response.headers["Refresh"] = f"0; url={provider.address}"
    return response


@router.get(SIGN_INS)
async def sign_ins(
    request: Request,
    tokens: Annotated[Tokens, Depends(provided(Tokens))],
    identities: Annotated[Identities, Depends(provided(Identities))],
    visitor: Annotated[Visitor, Depends(signed_in)],
    now: Now,
    changed: bool = False,
) -> Response:
    """The browsers and programs in which the visitor is signed in, and their accounts at providers."""
    listed = await tokens.sign_ins_of(visitor.caller)
    found = [(OwnSignInItem.of(each, visitor.caller), agent_of(each.agent)) for each in listed]
    return site_of(request).page(
        *(request, "sign_ins.html"),
        visitor=visitor,
        sign_ins=found,
        identities=await identities.visible(visitor.caller),
        kinds=SignInKind,
        now=now,
        is_changed=changed,
        passwords=services_of(request).settings.password_sign_in,
    )


@router.post(SIGN_INS)
async def end_sign_in(
    tokens: Annotated[Tokens, Depends(provided(Tokens))],
    visitor: Annotated[Visitor, Depends(signed_in)],
    sign_in: Annotated[int | None, Form(alias="signIn", ge=1, le=MAX_ID)] = None,
    others: Annotated[bool, Form()] = False,
) -> Response:
    """Ends one sign-in of the visitor, or all others than this one."""
    if sign_in is not None:
        await tokens.end(visitor.caller, sign_in)
    elif others:
        await tokens.end_others(visitor.caller)
    else:
        refuse([Violation("missing_field", "signIn or others is missing", "/signIn")])
    return RedirectResponse(SIGN_INS, HTTPStatus.SEE_OTHER)


@router.get(PASSWORD)
async def password_page(
    request: Request,
    accounts: Annotated[Accounts, Depends(provided(Accounts))],
    passwords: Annotated[PasswordSignIn, Depends(provided(PasswordSignIn))],
    visitor: Annotated[Visitor, Depends(visitor_choosing_password)],
) -> Response:
    """The form for a new password. Asks for a confirmation first, if the change needs one."""
    await passwords.require_changeable_password(visitor.caller)
    return await _password_form(request, accounts, visitor)


@router.post(PASSWORD)
async def change_password(
    request: Request,
    accounts: Annotated[Accounts, Depends(provided(Accounts))],
    passwords: Annotated[PasswordSignIn, Depends(provided(PasswordSignIn))],
    visitor: Annotated[Visitor, Depends(visitor_choosing_password)],
    password: Typed = "",
    new_password: Annotated[str, Form(alias="newPassword", max_length=MAX_TYPED)] = "",
) -> Response:
    """Changes the password. This browser stays signed in, all others are signed out.

    Users who choose their first one are about to begin: they go to the start page.
    """
    is_first = (await accounts.own_user(visitor.caller)).has_first_password
    try:
        require_private_transport(request)
        signed = await passwords.change_password(visitor.caller, password, new_password, client_of(request))
    except (Invalid, PasswordsOff, TooManyAttempts, Overloaded) as error:
        return await _password_form(request, accounts, visitor, error)
    response = RedirectResponse(START if is_first else f"{SIGN_INS}?changed=true", HTTPStatus.SEE_OTHER)
    set_session_cookie(request, response, signed.token.text, signed.token.expires_in)
    set_device_cookie(request, response, signed.device_cookie)
    return response


@router.post(f"{PASSWORD}/strength")
async def password_strength(
    request: Request,
    accounts: Annotated[Accounts, Depends(provided(Accounts))],
    visitor: Annotated[Visitor, Depends(visitor_choosing_password)],
    new_password: Annotated[str, Form(alias="newPassword", max_length=MAX_TYPED)] = "",
) -> Response:
    """The part of the form that shows how hard a password is to guess."""
    strength = await accounts.strength(visitor.caller, new_password) if new_password else None
    return site_of(request).page(
        request,
        "password_strength.html",
        strength=strength,
        strengths=Strength,
        missing=max(0, accounts.min_length - len(new_password)) if new_password else 0,
    )


async def _password_form(
    request: Request, accounts: Accounts, visitor: Visitor, error: AdsumError | None = None
) -> Response:
    user = await accounts.own_user(visitor.caller)
    wait = error.params.get("retryAfter") if error is not None else None
    response = site_of(request).page(
        request,
        "password.html",
        status=HTTPStatus.OK if error is None else http_status_of(error) or HTTPStatus.UNPROCESSABLE_ENTITY,
        visitor=None if user.has_first_password else visitor,
        user=user,
        error=error,
        minutes=None if wait is None else ceil(wait / 60),
        busy=isinstance(error, Overloaded),
        minimum=accounts.min_length,
        maximum=MAX_LENGTH,
        strength=None,
        strengths=Strength,
        missing=0,
    )
    response.headers.update(headers_of(error) if error is not None else {})
    return response


@router.post("/language", dependencies=[Depends(limited_by_address), Depends(require_same_origin)])
async def choose_language(
    request: Request,
    profiles: Annotated[Profiles, Depends(provided(Profiles))],
    language: Annotated[str, Form()],
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Stores the choice in a cookie for a year, and in the profile of a visitor who is signed in."""
    if language not in site_of(request).languages:
        raise NotFound("there is no such language")
    if session_token(request) is not None:
        with suppress(Unauthenticated):
            visitor = await visitor_confirming(request)
            await profiles.change(ProfileChange(language=language), visitor.caller)
    response = RedirectResponse(local_path(next), HTTPStatus.SEE_OTHER)
    set_cookie(request, response, COOKIE, language, A_YEAR_S)
    return response
