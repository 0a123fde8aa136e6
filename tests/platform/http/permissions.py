"""Permissions of every endpoint in `docs/permissions.md`: `python -m tests.platform.http.permissions` writes it anew.

The permissions are read from the dependencies of each route, as FastAPI resolves them: no list of them is kept by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from adsum.accounts.access import PERMISSIONS, Permission, Role
from adsum.accounts.authentication import Permitted, authenticated
from adsum.app import ROUTERS
from tests.support.live import ROOT

RECORD = ROOT / "docs" / "permissions.md"
COMMAND = "python -m tests.platform.http.permissions"
PEOPLE = tuple(role for role in Role if role is not Role.KEY)
INTRODUCTION = f"""# Who may do what

Every endpoint, and who may ask it. Made from the application by `{COMMAND}`; a test holds the two
together, and another one asks each endpoint as each role. "Own classes": as far as it is about classes, those that the
teacher teaches on the day concerned. Everybody but an admin is of one school. An API key may what it was made for, by
the permissions named here; [http.md](http.md#who-may) says what these are.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route and one of its methods, and all permissions that it needs. `is_public`: nobody is asked who they are."""

    method: str
    path: str
    permissions: tuple[Permission, ...]
    is_public: bool

    def lacking(self, role: Role) -> list[Permission]:
        """What the role has not got of it, in the order in which it is asked for."""
        return [each for each in self.permissions if each not in PERMISSIONS[role]]


def endpoints() -> list[Endpoint]:
    """All of the application, in the order of the table: by path, then by method."""
    every = [route for router in ROUTERS for route in router.routes]
    routes = [route for route in every if isinstance(route, APIRoute) and route.include_in_schema]
    found = [_endpoint(route, method) for route in routes for method in route.methods or ()]
    return sorted(found, key=lambda each: (each.path, each.method))


def table(of: Sequence[Endpoint]) -> str:
    """The page, whole."""
    head = ["Endpoint", "Permission", *(role.value for role in PEOPLE)]
    lines = [head, ["---"] * len(head), *(_row(each) for each in of)]
    return "\n".join([INTRODUCTION, *(_line(cells) for cells in lines)]) + "\n"


def present() -> str:
    """The page as this very code has it."""
    return table(endpoints())


def _endpoint(route: APIRoute, method: str) -> Endpoint:
    asked = list(_dependencies(route.dependant))
    permissions = tuple(each.call.permission for each in asked if isinstance(each.call, Permitted))
    return Endpoint(method, route.path, permissions, is_public=all(each.call is not authenticated for each in asked))


def _dependencies(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _dependencies(each)


def _row(endpoint: Endpoint) -> list[str]:
    needed = ", ".join(f"`{each.value}`" for each in endpoint.permissions) or "none"
    return [f"`{endpoint.method} {endpoint.path}`", needed, *(_cell(endpoint, role) for role in PEOPLE)]


def _cell(endpoint: Endpoint, role: Role) -> str:
    if endpoint.lacking(role):
        return ""
    return "own classes" if role is Role.TEACHER and endpoint.permissions else "✓"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    RECORD.write_text(present(), encoding="utf-8")
