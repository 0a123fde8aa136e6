"""Searches of lists by name. Browsers and proxies write addresses into histories and logs, so none contains a name.

The form of a search is posted here, with the address of its list in `page`. It leads to the list with all fields in its
query, the words encrypted: the page can be reloaded, and divided into pages, by the user who has searched.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.kept_words.service import KeptWords, WordKeeper
from adsum.accounts.visitors import Visitor, signed_in
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.pages.local_paths import local_path
from adsum.platform.pages.page_visitor import FIELD
from adsum.platform.pages.routing import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# Of words of 100 characters, each of four bytes.
MAX_SEALED = 1_000
WORDS, SEALED = "words", "search"
Keeper = Annotated[WordKeeper, Depends(provided(WordKeeper))]
SignedIn = Annotated[Visitor, Depends(signed_in)]


@router.post("/lists")
async def search(
    request: Request,
    keeper: Keeper,
    visitor: SignedIn,
    page: Annotated[str, Query()],
    words: Annotated[Words, Form()] = "",
) -> Response:
    """Redirects to the list at the address `page`, which may have a fragment."""
    fields = [
        (name, value)
        for name, value in (await request.form()).multi_items()
        if isinstance(value, str) and name not in {FIELD, WORDS}
    ]
    sealed = keeper.keep(words, visitor.user_id).sealed
    query = urlencode([*fields, *([(SEALED, sealed)] if sealed else [])])
    address = urlsplit(local_path(page))
    fragment = f"#{address.fragment}" if address.fragment else ""
    return RedirectResponse(f"{address.path}?{query}{fragment}", HTTPStatus.SEE_OTHER)


async def _searched(
    keeper: Keeper, visitor: SignedIn, search: Annotated[str, Query(max_length=MAX_SEALED)] = ""
) -> KeptWords:
    return keeper.kept(search, visitor.user_id)


SearchedWords = Annotated[KeptWords, Depends(_searched)]
"""The words of the search that has led to a page."""
