"""The caller of a request, by bearer token, API key or session cookie: `Depends(require(Permission.X))`.

The header `X-On-Behalf-Of` of any request, or the query parameter `onBehalfOf`, names the person that an API key acts
for. Only this module reads them: endpoints receive the caller with the resulting permissions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.api_keys.rules import AddressNotAllowed, KeyExpired
from adsum.accounts.callers import Callers
from adsum.accounts.sign_ins.tokens import Outstanding
from adsum.accounts.visitors import count_for_caller, is_use, refusals_counted_for_address, session_token
from adsum.platform.database.answers import AnswerKey
from adsum.platform.errors import (
    Forbidden,
    Invalid,
    Overloaded,
    PasswordChangeRequired,
    SecondFactorSetupRequired,
    Unauthenticated,
    Violation,
    refuse,
)
from adsum.platform.http.dependencies import Now, services_of
from adsum.platform.http.guarded_routes import guarded
from adsum.platform.http.idempotency import IdempotencyKeyHeader, RequestKey
from adsum.platform.http.queries import ON_BEHALF_OF, ON_BEHALF_OF_HEADER
from adsum.platform.http.query_names import wrong_names
from adsum.platform.http.transport import address_of, require_same_origin
from adsum.platform.pages.page_visitor import require_own_page

ERRORS_OF_CALLERS = (
    Unauthenticated,
    KeyExpired,
    Forbidden,
    PasswordChangeRequired,
    SecondFactorSetupRequired,
    AddressNotAllowed,
    Overloaded,
)
"""The errors with which any request that needs a caller is refused."""

bearer_token = OAuth2PasswordBearer(
    "/auth/token", scheme_name="bearerToken", description="A token of `POST /auth/token`.", auto_error=False
)
api_key = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", description="A key of `adsum key create`.", auto_error=False
)
SCHEMES = (bearer_token, api_key)
"""The security schemes, one of which a request of a caller has."""


async def caller_of(request: Request) -> Caller:
    """The caller of a request with a token, an API key or a session cookie, in this order of precedence."""
    return await _find_caller_once(request)


async def _find_caller_once(request: Request, despite: Collection[Outstanding] = ()) -> Caller:
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        callers = services_of(request)[Callers]
        with refusals_counted_for_address(request):
            sender = await _find_sender(request, callers, despite)
        count_for_caller(request, sender)
        caller = request.state.caller = await _on_behalf_of_person(request, callers, sender)
    return caller


async def _find_caller_again(request: Request, callers: Callers) -> Caller:
    return await _on_behalf_of_person(request, callers, await _find_sender(request, callers))


async def _find_sender(request: Request, callers: Callers, despite: Collection[Outstanding] = ()) -> Caller:
    """The user of a token, or the key itself, whomever it acts for."""
    token, key = await bearer_token(request), await api_key(request)
    if token:
        return await callers.of_token(token, despite=despite)
    if key:
        return await callers.of_key(key, address_of(request))
    if cookie := session_token(request):
        require_same_origin(request)
        caller = await callers.of_token(cookie, is_use=is_use(request), despite=despite)
        require_own_page(request, caller.user_id)
        return caller
    raise Unauthenticated("send a bearer token in Authorization, or an API key in X-API-Key")


async def _on_behalf_of_person(request: Request, callers: Callers, caller: Caller) -> Caller:
    named = _on_behalf_of(request)
    if named is None:
        return caller
    person = await callers.on_behalf_of(caller, named.email)
    if person is None:
        detail = "no user of the key's schools has this email"
        params = {"in": named.place, "name": named.name}
        raise Invalid(detail, [Violation("unknown_person", detail, f"/{named.place}/{named.name}", params)])
    return person


Reauthenticate = Callable[[], Awaitable[Caller]]
"""Authenticates the caller of a request again. Raises Unauthenticated if the sign-in or the key has ended."""


async def reauthenticate(request: Request) -> Reauthenticate:
    """For responses that last: a sign-in may end while they are sent."""
    return partial(_find_caller_again, request, services_of(request)[Callers])


@dataclass(frozen=True, slots=True)
class _NamedPerson:
    """The person for whom a key acts, and the header or the query parameter that names them."""

    place: str
    name: str
    email: str


def _authenticated(*despite: Outstanding) -> Callable[..., Awaitable[Caller]]:
    """A dependency that returns the caller, also one who has to take one of these steps first.

    It describes how callers name themselves, and refuses a query with names that are unknown or repeated.
    """

    async def find(request: Request) -> Caller:
        return await _find_caller_once(request, despite)

    @guarded(find, *(each.scheme_name for each in SCHEMES))
    async def dependency(request: Request) -> Caller:
        caller = await find(request)
        _require_known_query(request)
        return caller

    return dependency


authenticated = _authenticated()
choosing_password = _authenticated(Outstanding.PASSWORD)
setting_up = _authenticated(Outstanding.SECOND_FACTOR)
confirming = _authenticated(*Outstanding)


def _require_known_query(request: Request) -> None:
    if request.scope["query_string"]:
        refuse(wrong_names(request))


def _on_behalf_of(request: Request) -> _NamedPerson | None:
    # No FastAPI parameters: next to a query model, FastAPI describes that model wrongly.
    in_query = request.query_params.getlist(ON_BEHALF_OF)
    in_headers = request.headers.getlist(ON_BEHALF_OF_HEADER)
    named = [
        *(_NamedPerson("query", ON_BEHALF_OF, email) for email in in_query),
        # Starlette reads headers as Latin-1, clients send UTF-8.
        *(
            _NamedPerson("header", ON_BEHALF_OF_HEADER, text.encode("latin-1").decode(errors="replace"))
            for text in in_headers
        ),
    ]
    if len(named) > 1:
        last = named[-1]
        detail = f"the request names {len(named)} people: name one, in {ON_BEHALF_OF_HEADER} or in {ON_BEHALF_OF}"
        params = {"in": last.place, "name": last.name}
        refuse([Violation("field_repeated", detail, f"/{last.place}/{last.name}", params)])
    return named[0] if named else None


@dataclass(frozen=True, slots=True)
class Permitted:
    """The dependency that returns the caller if they have the permission, else raises 401 or 403."""

    permission: Permission

    async def __call__(self, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        require_permission(caller, self.permission)
        return caller


def require(permission: Permission) -> Permitted:
    """The dependency that returns the caller if they have `permission`, else raises 401 or 403."""
    return Permitted(permission)


async def request_key(
    request: Request,
    caller: Annotated[Caller, Depends(authenticated)],
    now: Now,
    idempotency_key: IdempotencyKeyHeader = None,
) -> RequestKey:
    """The `Idempotency-Key` of a request, which belongs to its caller."""
    key = None if idempotency_key is None else AnswerKey(caller.actor, idempotency_key)
    # `onBehalfOf` is part of the actor.
    query = sorted(item for item in request.query_params.multi_items() if item[0] != ON_BEHALF_OF)
    return RequestKey(key, (request.method, request.url.path, tuple(query)), now)


SentKey = Annotated[RequestKey, Depends(request_key)]
