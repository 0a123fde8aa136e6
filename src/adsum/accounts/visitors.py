"""The signed-in visitor of a page, and the session cookie that holds their token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from adsum.accounts.access import Caller, Permission, Role, require_permission
from adsum.accounts.second_factors.passkeys import RelyingParty
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.devices import LIFETIME
from adsum.accounts.sign_ins.half_way import LIFETIME as HALF_WAY_LIFETIME
from adsum.accounts.sign_ins.rules import SignInClient, SignInKind
from adsum.accounts.sign_ins.service import NewSignIn
from adsum.accounts.sign_ins.tokens import Outstanding, Tokens
from adsum.platform.errors import Forbidden, Unauthenticated
from adsum.platform.http.cookies import SESSION, cookie_of, delete_cookie, set_cookie
from adsum.platform.http.dependencies import services_of
from adsum.platform.http.guarded_routes import guarded
from adsum.platform.http.rate_limits import spend, spend_of_address
from adsum.platform.http.refusals import note_actor
from adsum.platform.http.transport import address_of, require_same_origin
from adsum.platform.pages.page_visitor import note_visitor
from adsum.platform.pages.rendering import speak
from adsum.platform.pages.routing import asks_for_page

DEVICE = "device"
HALF_WAY = "second-step"
PASSKEY_BROWSER = "passkey"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in user of the pages."""

    caller: Caller
    name: str

    @property
    def user_id(self) -> int:
        assert self.caller.user_id is not None, "visitors are users"
        return self.caller.user_id

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
        SignInIncomplete: the visitor has to take another step first, such as choosing a password.
        Forbidden: another site has sent the request.
        OtherVisitor: the page that sends the request was made for another user.
    """
    return await _find_visitor_once(request)


async def _find_visitor_once(request: Request, despite: Collection[Outstanding] = ()) -> Visitor:
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is None:
        with refusals_counted_for_address(request):
            visitor = await _find_visitor(request, despite)
        count_for_caller(request, visitor.caller)
        request.state.visitor = visitor
        await note_visitor(request, visitor.user_id)
    return visitor


async def _find_visitor(request: Request, despite: Collection[Outstanding]) -> Visitor:
    require_same_origin(request)
    token = session_token(request)
    if token is None:
        raise Unauthenticated("sign in first")
    services = services_of(request)
    caller = await services[Tokens].caller_of(token, is_use=is_use(request), despite=despite)
    greeting = await services[Accounts].greeting_of(caller)
    speak(request, greeting.language)
    return Visitor(caller, greeting.name)


@guarded(visitor_of)
async def signed_in(request: Request) -> Visitor:
    """The dependency that returns the visitor of a page, or raises as `visitor_of`."""
    return await visitor_of(request)


def visitor_despite(*despite: Outstanding) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency as `signed_in`, also for a visitor who has to take one of these steps first."""

    async def find(request: Request) -> Visitor:
        return await _find_visitor_once(request, despite)

    return guarded(find)(find)


visitor_choosing_password = visitor_despite(Outstanding.PASSWORD)
visitor_setting_up = visitor_despite(Outstanding.SECOND_FACTOR)
visitor_confirming = visitor_despite(*Outstanding)


def visitor_with(*permissions: Permission) -> Callable[[Visitor], Awaitable[Visitor]]:
    """The dependency that returns the visitor if they have all of these permissions."""

    async def permitted(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
        for permission in permissions:
            require_permission(visitor.caller, permission)
        return visitor

    return permitted


OfficeVisitor = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_OVERRULE, Permission.ROSTER_READ))]
"""The visitor of a page of the office."""


def count_for_caller(request: Request, caller: Caller) -> None:
    """Counts a request for its key, also if the key acts for a person, or else for its user. Raises RateLimited."""
    note_actor(request, caller.actor)
    if caller.key_id is not None:
        spend(request, "key", str(caller.key_id))
    else:
        spend(request, "user", str(caller.user_id))


@contextmanager
def refusals_counted_for_address(request: Request) -> Generator[None]:
    """Counts a request for its address if the block refuses its sender. Raises RateLimited instead after too many."""
    try:
        yield
    except (Unauthenticated, Forbidden):
        spend_of_address(request)
        raise


def is_use(request: Request) -> bool:
    """Whether the request keeps its visitor signed in. Those that an open page sends by itself do not: its updates and
    streams of events.
    """
    return request.method != "GET" or (asks_for_page(request) and "HX-Request" not in request.headers)


def client_of(request: Request, kind: SignInKind = SignInKind.PAGE) -> SignInClient:
    """The client of a request that signs in, or confirms its sign-in."""
    agent = request.headers.get("User-Agent", "")
    return SignInClient(address_of(request), device_cookie(request), agent, kind, relying_party_of(request))


def relying_party_of(request: Request) -> RelyingParty | None:
    """This site for passkeys; None where browsers refuse them: over plain HTTP, or at an address without a name.

    It is ADSUM_PUBLIC_URL if that is set, else what the request was sent to.
    """
    origin = services_of(request).settings.public_url or f"{request.url.scheme}://{request.headers.get('Host', '')}"
    parts = urlsplit(origin.lower())
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        is_private = parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
        return RelyingParty(host, origin.lower()) if host and is_private else None
    return None


async def begin_session(request: Request, response: Response, signed: NewSignIn) -> None:
    """Stores a new sign-in in the browser. An earlier one of this browser ends."""
    if earlier := session_token(request):
        await services_of(request)[Tokens].revoke(earlier)
    set_session_cookie(request, response, signed.token.text, signed.token.expires_in)
    set_device_cookie(request, response, signed.device_cookie)
    delete_cookie(request, response, HALF_WAY)


def set_private_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Stores what a browser needs until it is signed in: `HALF_WAY` or `PASSKEY_BROWSER`."""
    set_cookie(request, response, name, value, int(HALF_WAY_LIFETIME.total_seconds()))


def session_token(request: Request) -> str | None:
    """The token in the session cookie, if there is one."""
    return cookie_of(request, SESSION)


def set_session_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    """Stores the token in the session cookie for `seconds`."""
    set_cookie(request, response, SESSION, token, seconds)


def device_cookie(request: Request) -> str | None:
    """The cookie by which known devices are recognised, if there is one."""
    return cookie_of(request, DEVICE)


def set_device_cookie(request: Request, response: Response, value: str) -> None:
    """Stores the device cookie. It stays when the visitor signs out."""
    set_cookie(request, response, DEVICE, value, int(LIFETIME.total_seconds()))


def delete_session_cookie(request: Request, response: Response) -> None:
    """Deletes the session cookie."""
    delete_cookie(request, response, SESSION)
