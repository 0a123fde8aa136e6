"""`/users/{id}`: erases staff, and lets them come back with rosters."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.api_keys.ownership import OwnsKeys
from adsum.accounts.authentication import require
from adsum.platform.errors import ConfirmationNeeded, NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId
from adsum.privacy.staff.schemas import ErasedUserAnswer, ErasurePreviewAnswer, ErasureQuery, UserReadmission
from adsum.privacy.staff.service import StaffErasure
from adsum.roster.people.rules import LastAdmin, OwnLogin

router = APIRouter(prefix="/users", tags=["users"], route_class=JsonRoute)
StaffErasureService = Annotated[StaffErasure, Depends(provided(StaffErasure))]
UserId = Annotated[PathId, Path(alias="id")]
Manager = Annotated[Caller, Depends(require(Permission.USER_MANAGE))]


@router.get("/{id}/erasure", name="previewUserErasure", summary="What the erasure of a user would remove")
@costly
async def preview_user_erasure(user_id: UserId, staff: StaffErasureService, caller: Manager) -> ErasurePreviewAnswer:
    """Changes nothing. 403 for an office, and if the user has a right that you lack; 409 `own_login` for yourself."""
    return ErasurePreviewAnswer.of(await staff.preview(user_id, caller))


@router.delete(
    "/{id}",
    name="eraseUser",
    summary="Erase a user",
    responses=raises(OwnLogin, LastAdmin, OwnsKeys, ConfirmationNeeded),
)
async def erase_user(
    user_id: UserId, query: Annotated[ErasureQuery, Query()], staff: StaffErasureService, caller: Manager
) -> ErasedUserAnswer:
    """Removes name, email, sourced id and login, and ends sign-ins, assignments and covers. It cannot be undone.

    Marks, notes, corrections and audit entries stay, with the id of the user as their author. A tombstone without a
    name stays, too, so that rosters do not add the user again: see `readmitUser`. 403 for an office, and if the user
    has a right that you lack. 409 `own_login` for yourself, `last_admin` if nobody else is an active admin of all
    schools, `owns_api_keys` if the user owns API keys and the query does not say what becomes of them.
    """
    return ErasedUserAnswer.model_validate(await staff.erase(user_id, caller, query.key_choice))


@router.post(
    "/readmissions",
    name="readmitUser",
    summary="Let an erased user come back",
    responses=raises(NotFound),
    status_code=HTTPStatus.NO_CONTENT,
)
async def readmit_user(body: UserReadmission, staff: StaffErasureService, caller: Manager) -> None:
    """Later rosters of the school add the person again, as a new user without a login.

    404 if nobody with this sourced id was erased at the school.
    """
    await staff.readmit(body.school_id, body.sourced_id, caller)
