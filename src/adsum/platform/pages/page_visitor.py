"""The visitor for whom a page was made. Its forms name them in a hidden field, its scripts in a header.

A page that stays open may send what one user has entered after another one has signed in, in another tab of the
browser. `Site.page` puts the field into every form that is posted, and `accounts/visitors.py` compares it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.datastructures import FormData

from adsum.platform.errors import OtherVisitor

FIELD: Final = "visitor"
HEADER: Final = "X-Page-Visitor"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_POSTED_FORM = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>')
_READS_FORM = "reads_form"


def reads_form(endpoint: Endpoint) -> Endpoint:
    """Decorates an endpoint that reads its form with `own_form`: with limits of its own, or after more checks."""
    setattr(endpoint, _READS_FORM, True)
    return endpoint


async def note_visitor(request: Request, user_id: int) -> None:
    """Notes who is signed in.

    Raises:
        OtherVisitor: the page that sends the request was made for another user.
    """
    request.state.user_id = user_id
    require_own_page(request, user_id)  # before a body is read
    if request.method == "POST" and not hasattr(request.scope.get("endpoint"), _READS_FORM):
        await require_own_form(request, user_id)


def require_own_page(request: Request, user_id: int | None) -> None:
    """Raises OtherVisitor if a script sends the request whose page was made for another user."""
    _require_own(user_id, request.headers.getlist(HEADER))


async def require_own_form(request: Request, user_id: int | None) -> None:
    """Raises OtherVisitor if the request is a form that was made for another user, or sent by a script for one."""
    require_own_page(request, user_id)
    _require_own(user_id, (await request.form()).getlist(FIELD))


@asynccontextmanager
async def own_form(request: Request, **limits: int) -> AsyncGenerator[FormData]:
    """Reads the form with these limits of `Request.form`. Raises as `note_visitor`."""
    async with request.form(**limits) as form:
        _require_own(request.state.user_id, form.getlist(FIELD))
        yield form


def with_field(request: Request, text: str) -> str:
    """The text of a page whose posted forms name the visitor, if one is signed in."""
    user_id: int | None = getattr(request.state, "user_id", None)
    if user_id is None:
        return text
    return _POSTED_FORM.sub(rf'\g<0><input type="hidden" name="{FIELD}" value="{user_id}">', text)


def _require_own(user_id: int | None, named: Sequence[object]) -> None:
    if any(each != str(user_id) for each in named):
        raise OtherVisitor("another user has signed in since the page was opened")
