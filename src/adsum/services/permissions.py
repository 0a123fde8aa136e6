"""The check that every service makes first, whoever calls it: the web, the command line, a library's user."""

from __future__ import annotations

from adsum.domain.access import Caller, Permission
from adsum.errors import Forbidden


def demand(caller: Caller, permission: Permission) -> None:
    """Raises: Forbidden, where the caller has not got the permission."""
    if not caller.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}", permission=permission.value)
