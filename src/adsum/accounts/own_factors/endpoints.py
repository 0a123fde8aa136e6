"""`/auth/second-factors`: the caller's authenticator apps, passkeys and recovery codes.

Passkeys are added on the page: a browser binds them to its address.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller
from adsum.accounts.authentication import setting_up
from adsum.accounts.own_factors.schemas import FactorName, FactorsAnswer, NewTotp, RecoveryCodes, TotpSetup
from adsum.accounts.second_factors.rules import FactorExists, LastFactor, NamedKind
from adsum.accounts.second_factors.service import SecondFactors
from adsum.platform.errors import ConfirmationNeeded, Conflict, NotFound, TooManyAttempts
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import PathId

router = APIRouter(prefix="/auth/second-factors", tags=["authentication"], route_class=JsonRoute)
Service = Annotated[SecondFactors, Depends(provided(SecondFactors))]
Owner = Annotated[Caller, Depends(setting_up)]
FactorId = Annotated[PathId, Path(alias="id")]


@router.get("", name="listSecondFactors", summary="List second factors")
async def list_second_factors(service: Service, caller: Owner) -> FactorsAnswer:
    """The caller's passkeys and authenticator apps. API keys have none: 403."""
    return FactorsAnswer.of(await service.own(caller))


@router.post(
    "/totp", name="beginTotp", summary="Set up an authenticator app", responses=raises(Conflict, ConfirmationNeeded)
)
async def begin_totp(service: Service, caller: Owner) -> TotpSetup:
    """A secret for an app. Nothing is stored before `POST /auth/second-factors/totp/confirm` confirms it.

    Without a recent confirmation the answer is 403 `confirmation_needed`: a user with factors proves one first.
    """
    setup = await service.new_app(caller)
    return TotpSetup(secret=setup.secret, address=setup.address, setup=setup.sealed)


@router.post(
    "/totp/confirm",
    name="addTotp",
    summary="Add the authenticator app",
    status_code=HTTPStatus.CREATED,
    responses=raises(Conflict, ConfirmationNeeded, FactorExists, NotFound, TooManyAttempts),
)
async def add_totp(body: NewTotp, service: Service, caller: Owner) -> RecoveryCodes:
    """Adds the app if `code` is right. The first factor of a user ends their other sign-ins.

    404 if the setup was made too long ago. Needs a recent confirmation.
    """
    return RecoveryCodes(recovery_codes=await service.add_app(caller, body.setup, body.code, body.name))


@router.post(
    "/recovery-codes",
    name="renewRecoveryCodes",
    summary="Replace the recovery codes",
    responses=raises(ConfirmationNeeded, NotFound),
)
async def renew_recovery_codes(service: Service, caller: Owner) -> RecoveryCodes:
    """New codes, which are shown only now. The earlier ones no longer work. Needs a recent confirmation."""
    return RecoveryCodes(recovery_codes=await service.renew_recovery_codes(caller))


@router.patch(
    "/{kind}/{id}",
    name="renameSecondFactor",
    summary="Rename a second factor",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(ConfirmationNeeded),
)
async def rename_second_factor(
    kind: NamedKind, factor_id: FactorId, body: FactorName, service: Service, caller: Owner
) -> None:
    """Changes the name of a passkey or an app."""
    await service.rename(caller, kind, factor_id, body.name)


@router.delete(
    "/{kind}/{id}",
    name="removeSecondFactor",
    summary="Remove a second factor",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(ConfirmationNeeded, LastFactor),
)
async def remove_second_factor(kind: NamedKind, factor_id: FactorId, service: Service, caller: Owner) -> None:
    """Removes a passkey or an app; with the last one, the recovery codes. Needs a recent confirmation.

    409 `last_second_factor` if the caller's role needs a factor, and this is the only one.
    """
    await service.remove(caller, kind, factor_id)
