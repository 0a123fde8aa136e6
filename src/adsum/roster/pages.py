"""`/admin`: the schools, their sizes, and links to what can be managed in each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum.platform.http.dependencies import provided
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.roster.service import Directory
from adsum.schools.context import Manager
from adsum.schools.service import Schools

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SCHOOLS_PER_PAGE = 24


@router.get("/admin")
async def admin(
    request: Request,
    schools: Annotated[Schools, Depends(provided(Schools))],
    directory: Annotated[Directory, Depends(provided(Directory))],
    visitor: Manager,
    cursor: str | None = None,
) -> Response:
    """The schools that the visitor sees."""
    page = await schools.page(visitor.caller, PageRequest(cursor, SCHOOLS_PER_PAGE))
    sizes = await directory.sizes_of_schools([school.id for school in page.items], visitor.caller)
    return site_of(request).page(request, "admin/start.html", visitor=visitor, page=page, sizes=sizes)
