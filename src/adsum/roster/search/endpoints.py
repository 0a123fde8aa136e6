"""`POST /search`: students, classes and people in one answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.roster.search.schemas import SearchAnswer, SentSearch
from adsum.roster.search.service import Search

router = APIRouter(tags=["roster"], route_class=JsonRoute)


@router.post("/search", name="searchEverything", summary="Students, classes and users that match words")
async def search_everything(
    body: SentSearch,
    service: Annotated[Search, Depends(provided(Search))],
    caller: Annotated[Caller, Depends(require(Permission.ROSTER_READ))],
) -> SearchAnswer:
    """The best matches of each kind, among what you see. A teacher sees the classes that they teach today, and their
    students. Users are found with `user:manage`, by email too.

    Whole words come first, then beginnings of words. One of the words has two letters, or a Chinese, Japanese or Korean
    character. A body, because proxies write addresses into logs.
    """
    return SearchAnswer.of(await service.find(body.q, body.limit, caller))
