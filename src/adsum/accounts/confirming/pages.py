"""The page on which visitors confirm that it is them, before a critical action.

`PageRoute` sends a visitor here whose service raises ConfirmationNeeded, with the address of the action in `then`. A
form arrives with its fields, which this page keeps, and is sent on with them after the confirmation (307). A form with
a secret is not kept: the visitor is led to its page, and fills it in again.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adsum.accounts.schemas import MAX_TYPED
from adsum.accounts.second_factors.rules import Proof
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.confirmations import Confirmations, ConfirmedBy
from adsum.accounts.single_sign_on.service import SingleSignOn
from adsum.accounts.visitors import (
    Visitor,
    client_of,
    relying_party_of,
    set_session_cookie,
    visitor_confirming,
)
from adsum.platform.errors import AdsumError, Forbidden, Invalid, NotFound, Overloaded, TooManyAttempts
from adsum.platform.http.dependencies import provided, services_of
from adsum.platform.http.problems import headers_of, http_status_of
from adsum.platform.http.transport import require_private_transport
from adsum.platform.pages.local_paths import START, local_path
from adsum.platform.pages.page_visitor import FIELD
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import CONFIRMATION, PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Service = Annotated[Confirmations, Depends(provided(Confirmations))]
AccountsService = Annotated[Accounts, Depends(provided(Accounts))]
Confirming = Annotated[Visitor, Depends(visitor_confirming)]
# The fields of this page. All others are those of the action.
PASSWORD, CODE, PASSKEY = "confirmPassword", "confirmCode", "confirmPasskey"
IS_FORM = "confirmForm"
OWN = frozenset({PASSWORD, CODE, PASSKEY, IS_FORM})
# Fields of actions that no page may contain.
SECRETS = frozenset({"password", "newPassword"})

Fields = Sequence[tuple[str, str]]


@router.get(CONFIRMATION)
async def confirmation_page(
    request: Request, service: Service, accounts: AccountsService, visitor: Confirming, then: str = START
) -> Response:
    """Asks for the password or the second factor, and leads to the page `then`."""
    return await _form(request, service, accounts, visitor, then)


@router.post(CONFIRMATION)
async def confirm(
    request: Request,
    service: Service,
    accounts: AccountsService,
    visitor: Confirming,
    then: str = START,
) -> Response:
    """Confirms, and sends the form on to `then`, or redirects to the page."""
    given = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    fields = [(name, value) for name, value in given if name not in {*OWN, FIELD}]
    typed = {name: value for name, value in given if name in OWN}
    has_secret = any(name in SECRETS for name, _ in fields)
    if has_secret:
        fields = []
    is_form = typed.get(IS_FORM) != "no" and not has_secret
    if not typed.keys() & {PASSWORD, CODE, PASSKEY}:  # the form of an action
        return await _form(
            request, service, accounts, visitor, then, fields=fields, is_form=is_form, is_emptied=has_secret
        )
    try:
        require_private_transport(request)
        proof = Proof(typed.get(CODE, "")[:MAX_TYPED], typed.get(PASSKEY, ""))
        confirmed = await service.confirm(visitor.caller, typed.get(PASSWORD, ""), proof, client_of(request))
    except (Invalid, Forbidden, TooManyAttempts, Overloaded) as error:
        return await _form(request, service, accounts, visitor, then, error, fields, is_form=is_form)
    status = HTTPStatus.TEMPORARY_REDIRECT if is_form else HTTPStatus.SEE_OTHER
    response = RedirectResponse(_address(then), status)
    set_session_cookie(request, response, confirmed.token.text, confirmed.token.expires_in)
    return response


@router.post(f"{CONFIRMATION}/options")
async def options(request: Request, service: Service, visitor: Confirming) -> Response:
    """The options with which the browser lets a passkey of the visitor answer."""
    party = relying_party_of(request)
    if party is None:
        raise NotFound("passkeys need HTTPS and an address with a name")
    return JSONResponse(await service.options(visitor.caller, party))


def _address(then: str) -> str:
    """The address of the action. This page itself would ask for ever."""
    address = local_path(then)
    return START if urlsplit(address).path == CONFIRMATION else address


async def _form(
    request: Request,
    service: Confirmations,
    accounts: Accounts,
    visitor: Visitor,
    then: str,
    error: AdsumError | None = None,
    fields: Fields = (),
    *,
    is_form: bool = False,
    is_emptied: bool = False,
) -> Response:
    ways = await service.ways(visitor.caller)
    single_sign_on = services_of(request)[SingleSignOn]
    wait = error.params.get("retryAfter") if error is not None else None
    response = site_of(request).page(
        request,
        "confirm.html",
        status=HTTPStatus.OK if error is None else http_status_of(error) or HTTPStatus.FORBIDDEN,
        visitor=visitor,
        then=_address(then),
        fields=fields,
        is_form=is_form,
        is_emptied=is_emptied,
        kinds=[way.value for way in ways],
        providers=[] if ways else single_sign_on.buttons(),
        again_then=START if is_form else _address(then),
        by_password=ConfirmedBy.PASSWORD in ways,
        has_passkeys=ConfirmedBy.PASSKEY in ways and relying_party_of(request) is not None,
        email=(await accounts.own_user(visitor.caller)).email,
        error=error,
        minutes=None if wait is None else ceil(wait / 60),
        busy=isinstance(error, Overloaded),
    )
    response.headers.update(headers_of(error) if error is not None else {})
    return response
