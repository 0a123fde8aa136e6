"""`/search`: what matches words, and the hits that the search of every page shows while one types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.roster.search.service import Search

router = APIRouter(include_in_schema=False, route_class=PageRoute)

HITS_OF_PAGE = 50
# Of each kind, so that all fit beside a field.
HITS_WHILE_TYPING = 6
SearchService = Annotated[Search, Depends(provided(Search))]
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ROSTER_READ))]


@router.get("/search")
async def search_page(
    request: Request, service: SearchService, visitor: Reader, words: Annotated[Words, Query()] = ""
) -> Response:
    """The form, and what matches the words."""
    return await _page(request, service, visitor, "search.html", words, HITS_OF_PAGE)


@router.post("/search/hits")
async def hits(
    request: Request, service: SearchService, visitor: Reader, words: Annotated[Words, Form()] = ""
) -> Response:
    """The part of a page with the best matches. A POST, because proxies write addresses into logs."""
    return await _page(request, service, visitor, "search_hits.html", words, HITS_WHILE_TYPING)


async def _page(request: Request, service: Search, visitor: Visitor, template: str, words: str, limit: int) -> Response:
    schools = visitor.caller.schools
    return site_of(request).page(
        *(request, template),
        visitor=visitor,
        words=words.strip(),
        hits=await service.find(words, limit, visitor.caller),
        names_schools=schools is None or len(schools) > 1,
    )
