"""`/search`: what matches words, and the hits that the search of every page shows while one types.

Words are sent in bodies only: browsers and proxies keep addresses.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.texts import is_searchable
from adsum.roster.search.service import Search

router = APIRouter(prefix="/search", include_in_schema=False, route_class=PageRoute)

HITS_OF_PAGE = 50
# Of each kind, so that all fit beside a field.
HITS_WHILE_TYPING = 6
SearchService = Annotated[Search, Depends(provided(Search))]
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ROSTER_READ))]
TypedWords = Annotated[Words, Form()]


@router.get("")
async def search_page(request: Request, service: SearchService, visitor: Reader) -> Response:
    """The form."""
    return await _page(request, service, visitor, "search.html", "", shows_all=True)


@router.post("/results")
async def results(request: Request, service: SearchService, visitor: Reader, words: TypedWords = "") -> Response:
    """The form, and what matches the words."""
    return await _page(request, service, visitor, "search.html", words, shows_all=True)


@router.post("/hits")
async def hits(
    request: Request,
    service: SearchService,
    visitor: Reader,
    words: TypedWords = "",
    shows_all: Annotated[bool, Form(alias="all")] = False,
) -> Response:
    """The part of a page with the best matches, or with as many as the page of the search shows."""
    return await _page(request, service, visitor, "search_hits.html", words, shows_all=shows_all)


async def _page(
    request: Request, service: Search, visitor: Visitor, template: str, words: str, *, shows_all: bool
) -> Response:
    schools = visitor.caller.schools
    limit = HITS_OF_PAGE if shows_all else HITS_WHILE_TYPING
    return site_of(request).page(
        *(request, template),
        visitor=visitor,
        words=words.strip(),
        hits=await service.find(words, limit, visitor.caller) if is_searchable(words) else None,
        shows_all=shows_all,
        names_schools=schools is None or len(schools) > 1,
    )
