"""The signed-in visitor of a page, and the session cookie that holds their token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from adsum.accounts.access import Caller, Permission, Role, require_permission
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.devices import LIFETIME
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.errors import Unauthenticated
from adsum.platform.http.dependencies import services_of
from adsum.platform.http.guarded_routes import guarded
from adsum.platform.http.transport import require_same_origin
from adsum.platform.pages.routing import asks_for_page

# The prefix restricts the cookie to this host and to HTTPS. Some browsers reject it, and all Secure cookies, over plain
# HTTP, even on loopback.
HTTPS_COOKIE = "__Host-adsum"
PLAIN_HTTP_COOKIE = "adsum"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in user of the pages."""

    caller: Caller
    name: str

    @property
    def role(self) -> Role:
        return self.caller.role

    def may(self, permission: str) -> bool:
        """For templates: whether the visitor has the permission of this name, such as `batch:read`."""
        return self.caller.may(Permission(permission))


async def visitor_of(request: Request) -> Visitor:
    """The visitor of a page.

    Raises:
        Unauthenticated: without a valid token.
        PasswordChangeRequired: the visitor has signed in with a first password.
        Forbidden: another site has sent the request.
    """
    return await _find_visitor_once(request)


async def _visitor_choosing_password_of(request: Request) -> Visitor:
    return await _find_visitor_once(request, may_have_first_password=True)


async def _find_visitor_once(request: Request, *, may_have_first_password: bool = False) -> Visitor:
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is None:
        visitor = await _find_visitor(request, may_have_first_password=may_have_first_password)
        request.state.visitor = visitor
    return visitor


async def _find_visitor(request: Request, *, may_have_first_password: bool) -> Visitor:
    require_same_origin(request)
    token = session_token(request)
    if token is None:
        raise Unauthenticated("sign in first")
    services = services_of(request)
    caller = await services[Tokens].caller_of(
        token, is_use=is_use(request), may_have_first_password=may_have_first_password
    )
    return Visitor(caller, await services[Accounts].name_of(caller))


@guarded(visitor_of)
async def signed_in(request: Request) -> Visitor:
    """The dependency that returns the visitor of a page, or raises as `visitor_of`."""
    return await visitor_of(request)


@guarded(_visitor_choosing_password_of)
async def visitor_choosing_password(request: Request) -> Visitor:
    """As `signed_in`, also for a visitor who has to choose a password first."""
    return await _visitor_choosing_password_of(request)


def visitor_with(*permissions: Permission) -> Callable[[Visitor], Awaitable[Visitor]]:
    """The dependency that returns the visitor if they have all of these permissions."""

    async def permitted(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
        for permission in permissions:
            require_permission(visitor.caller, permission)
        return visitor

    return permitted


def is_use(request: Request) -> bool:
    """Whether the request keeps its visitor signed in. Those that an open page sends by itself do not: its updates and
    streams of events.
    """
    return request.method != "GET" or (asks_for_page(request) and "HX-Request" not in request.headers)


def session_token(request: Request) -> str | None:
    """The token in the session cookie, if there is one."""
    return request.cookies.get(_cookie_name(request))


def set_session_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    """Stores the token in the session cookie for `seconds`."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        _cookie_name(request), token, max_age=seconds, httponly=True, secure=secure, samesite="lax", path="/"
    )


def device_cookie(request: Request) -> str | None:
    """The cookie by which known devices are recognised, if there is one."""
    return request.cookies.get(_device_cookie_name(request))


def set_device_cookie(request: Request, response: Response, value: str) -> None:
    """Stores the device cookie. It stays when the visitor signs out."""
    secure = request.url.scheme == "https"
    seconds = int(LIFETIME.total_seconds())
    response.set_cookie(
        _device_cookie_name(request), value, max_age=seconds, httponly=True, secure=secure, samesite="lax", path="/"
    )


def delete_session_cookie(request: Request, response: Response) -> None:
    """Deletes the session cookie."""
    secure = request.url.scheme == "https"
    response.delete_cookie(_cookie_name(request), httponly=True, secure=secure, samesite="lax", path="/")


def _device_cookie_name(request: Request) -> str:
    return f"{_cookie_name(request)}-device"


def _cookie_name(request: Request) -> str:
    return HTTPS_COOKIE if request.url.scheme == "https" else PLAIN_HTTP_COOKIE
