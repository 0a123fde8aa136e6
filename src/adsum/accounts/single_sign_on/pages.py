"""`/sign-in/{provider}`: sends the browser to a provider, takes its answer, and ends sign-ins for it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adsum.accounts.second_step.pages import PATH as SECOND_STEP
from adsum.accounts.sign_ins.service import HalfWaySignIn
from adsum.accounts.single_sign_on.attempts import LIFETIME, MAX_ATTEMPTS
from adsum.accounts.single_sign_on.identities import Identities
from adsum.accounts.single_sign_on.rules import ProviderUnavailable, Refusal, SignInRefused
from adsum.accounts.single_sign_on.service import Begun, ProviderAnswer, SingleSignOn
from adsum.accounts.visitors import (
    HALF_WAY,
    Visitor,
    begin_session,
    client_of,
    set_private_cookie,
    signed_in,
)
from adsum.platform.errors import AdsumError, Malformed, NotFound, Overloaded, TooManyAttempts, Unavailable
from adsum.platform.http.cookies import cookies_of, delete_cookie, set_cookie
from adsum.platform.http.dependencies import provided
from adsum.platform.http.problems import headers_of, http_status_of
from adsum.platform.http.rate_limits import limited_by_address
from adsum.platform.http.transport import (
    NoPublicUrl,
    address_of,
    is_begun_by_user,
    public_origin,
    require_private_transport,
)
from adsum.platform.ids import MAX_ID
from adsum.platform.origin import ORIGIN
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.local_paths import START
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import SIGN_IN, PageRoute, after_sign_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Service = Annotated[SingleSignOn, Depends(provided(SingleSignOn))]
LIMITED = [Depends(limited_by_address)]
IDENTITIES = "/account/identities"
# The beginning of the names of their cookies.
ATTEMPT = "attempt-"
SHOWN = (SignInRefused, ProviderUnavailable, NoPublicUrl, TooManyAttempts, Overloaded)


@router.get("/sign-in/{provider}", dependencies=LIMITED)
async def begin(
    request: Request,
    provider: str,
    single_sign_on: Service,
    next: str = START,  # noqa: A002 - as on the sign-in page
    invitation: str = "",
    again: bool = False,
) -> Response:
    """Redirects to the provider. `again`: it is to ask who the visitor is, also if it knows the browser."""
    label = single_sign_on.label_of(provider)
    require_private_transport(request)
    try:
        _require_begun_by_user(request)
        begun = await single_sign_on.begin(
            *(provider, _redirect_uri(request, provider), after_sign_in(next)),
            invitation=invitation,
            asks_again=again,
        )
    except SHOWN as error:
        return _refused(request, provider, label, error)
    return _sent_to_provider(request, begun)


@router.get("/sign-in/{provider}/callback", dependencies=LIMITED)
async def finish(
    request: Request,
    provider: str,
    single_sign_on: Service,
) -> Response:
    """Signs in, and redirects to the page that the visitor wanted, first to the second step if one is needed.

    The earlier sign-in of this browser ends.
    """
    label = single_sign_on.label_of(provider)
    require_private_transport(request)
    try:
        answer = _answer_in(request)
        if answer.state is None and answer.code and single_sign_on.may_restart(provider, _attempts(request)):
            _require_begun_by_user(request)
            uri = _redirect_uri(request, provider)
            return _sent_to_provider(request, await single_sign_on.begin(provider, uri, START, is_restarted=True))
        finished = await single_sign_on.finish(
            provider,
            _redirect_uri(request, provider),
            answer,
            client_of(request),
        )
    except SHOWN as error:
        return _refused(request, provider, label, error)
    path = after_sign_in(finished.path)
    if isinstance(finished.signed, HalfWaySignIn):
        response = RedirectResponse(f"{SECOND_STEP}?next={quote(path)}", HTTPStatus.SEE_OTHER)
        set_private_cookie(request, response, HALF_WAY, finished.signed.text)
    else:
        response = RedirectResponse(path, HTTPStatus.SEE_OTHER)
        await begin_session(request, response, finished.signed)
    _forget(request, response, answer.state or "")
    return response


@router.post("/sign-in/{provider}/back-channel-logout", dependencies=LIMITED)
async def end_sign_ins(
    request: Request,
    provider: str,
    single_sign_on: Service,
    logout_token: Annotated[str, Form()] = "",
) -> Response:
    """Ends the sign-ins that the provider names. Its server sends the request, not a browser."""
    try:
        await single_sign_on.end_sign_ins(provider, logout_token, address_of(request))
    except (NotFound, Malformed, TooManyAttempts, Unavailable) as error:
        # In the form of OAuth 2, which the specification demands.
        content = {"error": "invalid_request", "error_description": error.detail}
        return JSONResponse(content, http_status_of(error) or HTTPStatus.BAD_REQUEST, headers_of(error))
    return Response()


@router.post(f"{IDENTITIES}/disconnect")
async def disconnect(
    identities: Annotated[Identities, Depends(provided(Identities))],
    visitor: Annotated[Visitor, Depends(signed_in)],
    identity: Annotated[int, Form(ge=1, le=MAX_ID)],
) -> Response:
    """Disconnects an account of the visitor at a provider. They are signed out everywhere."""
    await identities.disconnect_visible(visitor.caller, identity)
    return redirect_to(SIGN_IN)


def _require_begun_by_user(request: Request) -> None:
    """A page of another site could otherwise sign a visitor in whom the provider knows, without their doing."""
    if not is_begun_by_user(request):
        raise SignInRefused(Refusal.NOT_ASKED_FOR, "another site has led the browser here")


def _redirect_uri(request: Request, provider: str) -> str:
    return f"{public_origin(request)}/sign-in/{provider}/callback"


def _answer_in(request: Request) -> ProviderAnswer:
    """The parameters of an answer. A repeated one is ambiguous, and counts as missing."""
    query = request.query_params
    state, code, error, issuer = (
        query[name] if len(query.getlist(name)) == 1 else None for name in ("state", "code", "error", "iss")
    )
    if len(query.getlist("iss")) > 1:
        raise SignInRefused(Refusal.UNTRUSTED, "the answer names several issuers")
    return ProviderAnswer(state, code, error, issuer, _attempts(request).get(state or ""))


def _sent_to_provider(request: Request, begun: Begun) -> Response:
    response = RedirectResponse(begun.address, HTTPStatus.SEE_OTHER)
    open_attempts = list(_attempts(request))
    for attempt_id in open_attempts[: max(0, len(open_attempts) - MAX_ATTEMPTS + 1)]:
        _forget(request, response, attempt_id)
    set_cookie(request, response, ATTEMPT + begun.attempt_id, begun.cookie, int(LIFETIME.total_seconds()))
    return response


def _refused(request: Request, provider: str, label: str, error: AdsumError) -> Response:
    """The page that says why the visitor is not signed in, and what to do."""
    wait = error.params.get("retryAfter") if isinstance(error, TooManyAttempts) else None
    response = site_of(request).page(
        request,
        "single_sign_on.html",
        status=http_status_of(error) or HTTPStatus.FORBIDDEN,
        address=_address_to_begin(request, provider),
        label=label,
        reason=error.reason if isinstance(error, SignInRefused) else None,
        reasons=Refusal,
        minutes=None if wait is None else ceil(wait / 60),
        busy=isinstance(error, Overloaded),
        no_address=isinstance(error, NoPublicUrl),
        request_id=ORIGIN.get().request_id,
        visitor=None,
    )
    response.headers.update(headers_of(error))
    state = request.query_params.get("state", "")
    if state in _attempts(request):
        _forget(request, response, state)
    return response


def _address_to_begin(request: Request, provider: str) -> str:
    """Begins to sign in, with the invitation and the page of a request that did not."""
    kept = {name: request.query_params[name] for name in ("next", "invitation") if name in request.query_params}
    path = f"/sign-in/{quote(provider)}"
    return f"{path}?{urlencode(kept)}" if kept else path


def _attempts(request: Request) -> Mapping[str, str]:
    """The cookies of attempts, by attempt id, in the order in which the browser sends them: the oldest first."""
    return cookies_of(request, ATTEMPT)


def _forget(request: Request, response: Response, attempt_id: str) -> None:
    delete_cookie(request, response, ATTEMPT + attempt_id)
