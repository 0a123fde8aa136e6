"""`/schools/{schoolId}/setup`: the checklist of a new school."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.operations.setup.rules import Step
from adsum.operations.setup.schemas import SentSetup, SentStep, SetupItem
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import PathId

router = APIRouter(prefix="/schools/{schoolId}/setup", tags=["schools"], route_class=JsonRoute)
SetupService = Annotated[SchoolSetup, Depends(provided(SchoolSetup))]
SchoolId = Annotated[PathId, Path(alias="schoolId")]
ConfirmedStep = Annotated[Step, Path(description="The step of the setup.")]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


@router.get("", name="getSetup", summary="The setup of a school")
async def get_setup(school_id: SchoolId, setup: SetupService, caller: Manager) -> SetupItem:
    """Time zone, school days, terms, timetable, statuses, people, first register: what is done, and what is open."""
    return SetupItem.of(await setup.find(school_id, caller))


@router.patch("", name="changeSetup", summary="Dismiss the setup of a school")
async def change_setup(school_id: SchoolId, body: SentSetup, setup: SetupService, caller: Manager) -> SetupItem:
    """Hides the checklist on the start page, for everybody, or shows it again."""
    return SetupItem.of(await setup.dismiss(school_id, caller, dismissed=body.dismissed))


@router.put("/{step}", name="confirmSetupStep", summary="Confirm a step of the setup")
async def confirm_setup_step(
    school_id: SchoolId, step: ConfirmedStep, body: SentStep, setup: SetupService, caller: Manager
) -> SetupItem:
    """Says that a step is done, or that the school does not need it; `false` takes that back."""
    return SetupItem.of(await setup.confirm(school_id, step, caller, confirmed=body.confirmed))
