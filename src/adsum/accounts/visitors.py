"""Who looks at a page: the caller of the API, with what the frame of the page says about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from adsum.accounts.access import Caller, Permission, Role, require_permission
from adsum.accounts.cookies import session_token
from adsum.platform.errors import Unauthenticated
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.transport import require_same_origin


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in."""

    caller: Caller
    name: str

    @property
    def role(self) -> Role:
        return self.caller.role

    def may(self, permission: str) -> bool:
        """Whether they have the permission of this name, such as `batch:read`: for templates."""
        return self.caller.may(Permission(permission))


async def signed_in(request: Request, adsum: OpenAdsum) -> Visitor:
    """Raises Unauthenticated for who is not, or not any more; Forbidden for a change that another site asks for."""
    require_same_origin(request)
    token = session_token(request)
    if token is None:
        raise Unauthenticated("sign in first")
    caller = await adsum.tokens.caller_of(token)
    return Visitor(caller, await adsum.accounts.name_of(caller))


def visitor_with(*permissions: Permission) -> Callable[[Visitor], Awaitable[Visitor]]:
    """A dependency that gives the visitor, if they have all of these permissions."""

    async def permitted(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
        for permission in permissions:
            require_permission(visitor.caller, permission)
        return visitor

    return permitted
