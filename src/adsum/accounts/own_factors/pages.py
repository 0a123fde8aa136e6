"""`/account/second-factors`: the visitor's passkeys, authenticator apps and recovery codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse
from markupsafe import Markup

from adsum.accounts.schemas import MAX_TYPED
from adsum.accounts.second_factors.app_secrets import AppSetup
from adsum.accounts.second_factors.passkeys import MAX_ANSWER
from adsum.accounts.second_factors.rules import MAX_NAME, FactorExists, FactorKind, NamedKind
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.visitors import Visitor, relying_party_of, visitor_setting_up
from adsum.platform.errors import AdsumError, NotFound, WrongSecondFactor
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.schemas import PlainText
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import SECOND_FACTORS, PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Service = Annotated[SecondFactors, Depends(provided(SecondFactors))]
Owner = Annotated[Visitor, Depends(visitor_setting_up)]
Name = Annotated[PlainText, Form(max_length=MAX_TYPED)]
Kind = Annotated[NamedKind, Form()]
FactorId = Annotated[int, Form(alias="factor", ge=1, le=MAX_ID)]
NO_PASSKEYS = "passkeys need HTTPS and an address with a name"


@router.get(SECOND_FACTORS)
async def factors_page(request: Request, service: Service, visitor: Owner, now: Now) -> Response:
    """The visitor's second factors."""
    return await _page(request, service, visitor, now)


@router.post(f"{SECOND_FACTORS}/app")
async def begin_app(request: Request, service: Service, visitor: Owner) -> Response:
    """Shows the secret of a new app as a QR code. Nothing is stored before a code confirms it."""
    return _setup_page(request, visitor, await service.new_app(visitor.caller))


@router.post(f"{SECOND_FACTORS}/app/confirm")
async def add_app(
    request: Request,
    service: Service,
    visitor: Owner,
    now: Now,
    sealed: Annotated[str, Form(max_length=MAX_TYPED)],
    code: Annotated[str, Form(max_length=MAX_TYPED)] = "",
    name: Name = "",
) -> Response:
    """Adds the app whose secret was shown, if its code is right."""
    try:
        codes = await service.add_app(visitor.caller, sealed, code, name)
    except FactorExists as error:
        return await _page(request, service, visitor, now, error=error)
    except WRONG as error:
        setup = await service.reopened_app(visitor.caller, sealed)
        return _setup_page(request, visitor, setup, name=name, error=error)
    return _added(request, visitor, codes)


@router.post(f"{SECOND_FACTORS}/passkey/options")
async def passkey_options(request: Request, service: Service, visitor: Owner) -> Response:
    """The options with which the browser makes a passkey."""
    party = relying_party_of(request)
    if party is None:
        raise NotFound(NO_PASSKEYS)
    return JSONResponse(await service.options_to_register(visitor.caller, party))


@router.post(f"{SECOND_FACTORS}/passkey")
async def add_passkey(
    request: Request,
    service: Service,
    visitor: Owner,
    now: Now,
    passkey: Annotated[str, Form(max_length=MAX_ANSWER)] = "",
    name: Name = "",
) -> Response:
    """Adds the passkey that the browser has made. Without one, only asks for a confirmation if that is needed."""
    await service.confirmed_user(visitor.caller)
    party = relying_party_of(request)
    if party is None:
        raise NotFound(NO_PASSKEYS)
    try:
        codes = await service.add_passkey(visitor.caller, party, passkey, name) if passkey else None
    except (*WRONG, WrongSecondFactor) as error:
        return await _page(request, service, visitor, now, error=error, typed=name)
    if codes is None:
        return await _page(request, service, visitor, now, typed=name, makes_passkey=True)
    return _added(request, visitor, codes)


@router.post(f"{SECOND_FACTORS}/rename")
async def rename(
    request: Request, service: Service, visitor: Owner, now: Now, kind: Kind, factor_id: FactorId, name: Name = ""
) -> Response:
    """Renames a factor."""
    try:
        await service.rename(visitor.caller, kind, factor_id, name)
    except WRONG as error:
        return await _page(request, service, visitor, now, error=error)
    return redirect_to(SECOND_FACTORS)


@router.post(f"{SECOND_FACTORS}/remove")
async def remove(
    request: Request, service: Service, visitor: Owner, now: Now, kind: Kind, factor_id: FactorId
) -> Response:
    """Removes a factor."""
    try:
        await service.remove(visitor.caller, kind, factor_id)
    except WRONG as error:
        return await _page(request, service, visitor, now, error=error)
    return redirect_to(SECOND_FACTORS)


@router.post(f"{SECOND_FACTORS}/recovery-codes")
async def renew_recovery_codes(request: Request, service: Service, visitor: Owner) -> Response:
    """Replaces the recovery codes and shows the new ones once."""
    return _codes_page(request, visitor, await service.renew_recovery_codes(visitor.caller))


def _added(request: Request, visitor: Visitor, codes: Sequence[str]) -> Response:
    return _codes_page(request, visitor, codes, is_first=True) if codes else redirect_to(SECOND_FACTORS)


async def _page(
    request: Request, service: SecondFactors, visitor: Visitor, now: Any, error: AdsumError | None = None, **shown: Any
) -> Response:
    own = await service.own(visitor.caller)
    return site_of(request).page(
        request,
        "second_factors.html",
        status=status_with(error),
        visitor=None if own.is_required and not own.count else visitor,
        own=own,
        kinds=FactorKind,
        has_passkeys=relying_party_of(request) is not None,
        now=now,
        error=error,
        max_name=MAX_NAME,
        **{"typed": "", "makes_passkey": False} | shown,
    )


def _setup_page(
    request: Request, visitor: Visitor, setup: AppSetup, name: str = "", error: AdsumError | None = None
) -> Response:
    return site_of(request).page(
        request,
        "totp_setup.html",
        status=status_with(error),
        visitor=visitor,
        picture=_picture(setup.address),
        setup=setup,
        name=name,
        error=error,
        max_name=MAX_NAME,
    )


def _codes_page(request: Request, visitor: Visitor, codes: Sequence[str], *, is_first: bool = False) -> Response:
    return site_of(request).page(request, "recovery_codes.html", visitor=visitor, codes=codes, is_first=is_first)


def _picture(address: str) -> Markup:
    """A QR code as SVG. Its colours and size are attributes: the security policy of pages allows no styles."""
    import segno  # noqa: PLC0415 - only where an app is set up

    picture = segno.make(address, error="m", micro=False)
    return Markup(picture.svg_inline(border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True))  # noqa: S704 - no text of others
