"""Who is asking, by bearer token or API key, and whether they may: `Depends(require(Permission.X))`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from adsum.domain.access import Caller, Permission
from adsum.errors import Forbidden, Unauthenticated
from adsum.web.dependencies import OpenAdsum

bearer_token = OAuth2PasswordBearer(
    "/auth/token", scheme_name="bearerToken", description="A token of `POST /auth/token`.", auto_error=False
)
api_key = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", description="A key of `adsum key create`.", auto_error=False
)


async def authenticated(
    adsum: OpenAdsum,
    token: Annotated[str | None, Depends(bearer_token)],
    key: Annotated[str | None, Depends(api_key)],
) -> Caller:
    """The caller of a request that carries a token or a key; the token counts where it carries both."""
    if token:
        return await adsum.tokens.caller_of(token)
    if key:
        return await adsum.api_keys.caller_of(key)
    raise Unauthenticated("send a bearer token in Authorization, or an API key in X-API-Key")


def require(permission: Permission) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency that gives the caller, if they have `permission`: else 401 or 403."""

    async def permitted(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        if not caller.may(permission):
            raise Forbidden(f"this needs the permission {permission.value}", permission=permission.value)
        return caller

    return permitted
