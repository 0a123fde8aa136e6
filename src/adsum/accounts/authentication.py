"""Who is asking, by bearer token, API key or session cookie, and whether they may: `Depends(require(Permission.X))`.

A key may name the person whom it acts for, in the query of any request. That is read here and nowhere else: what an
endpoint is given is the caller as they may act.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from adsum.accounts.access import Caller, Permission
from adsum.accounts.cookies import session_token
from adsum.platform.errors import Forbidden, Invalid, Unauthenticated, Violation
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import ON_BEHALF_OF
from adsum.platform.http.transport import require_same_origin

bearer_token = OAuth2PasswordBearer(
    "/auth/token", scheme_name="bearerToken", description="A token of `POST /auth/token`.", auto_error=False
)
api_key = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", description="A key of `adsum key create`.", auto_error=False
)


async def authenticated(
    request: Request,
    adsum: OpenAdsum,
    token: Annotated[str | None, Depends(bearer_token)],
    key: Annotated[str | None, Depends(api_key)],
) -> Caller:
    """The caller of a request that carries a token, a key, or the cookie of the pages; the first of these counts."""
    if token:
        caller = await adsum.tokens.caller_of(token)
    elif key:
        caller = await adsum.api_keys.caller_of(key)
    elif cookie := session_token(request):
        require_same_origin(request)
        caller = await adsum.tokens.caller_of(cookie)
    else:
        raise Unauthenticated("send a bearer token in Authorization, or an API key in X-API-Key")
    person = _person_named(request)
    return caller if person is None else await adsum.impersonation.for_person(caller, person)


def _person_named(request: Request) -> str | None:
    # Not a parameter of FastAPI's: beside one, it describes the model of a whole query wrongly.
    named = request.query_params.getlist(ON_BEHALF_OF)
    if len(named) > 1:
        detail = f"{ON_BEHALF_OF} stands {len(named)} times"
        params = {"in": "query", "name": ON_BEHALF_OF}
        raise Invalid(detail, [Violation("field_repeated", detail, f"/query/{ON_BEHALF_OF}", params)])
    return named[0] if named else None


@dataclass(frozen=True, slots=True)
class Permitted:
    """The dependency that gives the caller, if they have the permission: else 401 or 403."""

    permission: Permission

    async def __call__(self, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        if not caller.may(self.permission):
            name = self.permission.value
            raise Forbidden(f"this needs the permission {name}", permission=name)
        return caller


def require(permission: Permission) -> Permitted:
    """A dependency that gives the caller, if they have `permission`: else 401 or 403."""
    return Permitted(permission)


async def each_named_once(request: Request, _caller: Annotated[Caller, Depends(authenticated)]) -> None:
    """Refuses a query that names something twice: one of the two would be ignored."""
    times = Counter(name for name, _ in request.query_params.multi_items())
    violations = [
        Violation("field_repeated", f"{name} stands {count} times", f"/query/{name}", {"in": "query", "name": name})
        for name, count in times.items()
        if count > 1
    ]
    if violations:
        raise Invalid("; ".join(violation.detail for violation in violations), violations)
