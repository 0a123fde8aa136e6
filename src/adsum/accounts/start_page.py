"""`/`: the page on which a visitor's day begins."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse

from adsum.accounts.access import Role
from adsum.accounts.visitors import Visitor, signed_in
from adsum.platform.pages.routing import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

START_OF = {Role.TEACHER: "/today", Role.OPERATOR: "/batches"}


@router.get("/")
async def start(visitor: Annotated[Visitor, Depends(signed_in)]) -> RedirectResponse:
    """A teacher's sessions, an operator's batches, and to all others how the day stands."""
    return RedirectResponse(START_OF.get(visitor.role, "/overview"), HTTPStatus.SEE_OTHER)
