"""`/admin`: the schools, how large they are, and what can be managed of each."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.schools.context import Manager

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SHOWN = 24


@router.get("/admin")
async def admin(request: Request, adsum: OpenAdsum, visitor: Manager, cursor: str | None = None) -> Response:
    """The schools that the visitor sees."""
    page = await adsum.schools.page(visitor.caller, PageRequest(cursor, SHOWN))
    sizes = await adsum.schools.sizes(page.items, visitor.caller)
    return site_of(request).page(request, "admin/start.html", visitor=visitor, page=page, sizes=sizes)
