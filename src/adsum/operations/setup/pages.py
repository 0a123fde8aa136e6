"""`/admin`: the schools, the setup of new ones, their sizes, and links to what can be managed in each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.accounts.access import Permission
from adsum.events.webhooks.service import Webhooks
from adsum.operations.setup.rules import Step, StepState
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import ADMIN, PageRoute
from adsum.platform.paging import PageRequest
from adsum.roster.service import Directory
from adsum.schools.context import Manager
from adsum.schools.service import Schools

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SCHOOLS_PER_PAGE = 24
SetupService = Annotated[SchoolSetup, Depends(provided(SchoolSetup))]


@router.get(ADMIN)
async def admin(
    request: Request,
    schools: Annotated[Schools, Depends(provided(Schools))],
    directory: Annotated[Directory, Depends(provided(Directory))],
    setup: SetupService,
    webhooks: Annotated[Webhooks, Depends(provided(Webhooks))],
    visitor: Manager,
    cursor: str | None = None,
    opened: PathId | None = None,
) -> Response:
    """The schools that the visitor sees. `opened`: the school whose setup is unfolded."""
    caller = visitor.caller
    page = await schools.page(caller, PageRequest(cursor, SCHOOLS_PER_PAGE))
    school_ids = [school.id for school in page.items]
    return site_of(request).page(
        *(request, "admin/start.html"),
        visitor=visitor,
        page=page,
        sizes=await directory.sizes_of_schools(school_ids, caller),
        setups=await setup.of_schools(school_ids, caller),
        states=StepState,
        opened=opened,
        stopped_webhooks=await webhooks.stopped(caller) if caller.may(Permission.WEBHOOK_MANAGE) else (),
    )


@router.post("/admin/setup")
async def change_setup(
    setup: SetupService,
    visitor: Manager,
    school: Annotated[PathId, Form()],
    step: Annotated[Step | None, Form()] = None,
    *,
    undo: Annotated[bool, Form()] = False,
) -> Response:
    """Confirms a step, or dismisses the checklist; `undo` takes it back."""
    if step is None:
        await setup.dismiss(school, visitor.caller, dismissed=not undo)
    else:
        await setup.confirm(school, step, visitor.caller, confirmed=not undo)
    return redirect_to(f"{ADMIN}?opened={school}#setup-{school}")
