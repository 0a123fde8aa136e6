"""Refuses the names of query parameters that an endpoint does not have, and those that a request repeats."""

from __future__ import annotations

from collections import Counter

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from adsum.platform.errors import Violation
from adsum.platform.http.problems import violation_of
from adsum.platform.http.queries import ON_BEHALF_OF, WholeQuery

NamesByRoute = dict[str, frozenset[str] | None]
"""The names of query parameters by the unique id of a route. It is `query_names` in the state of the application."""


def wrong_names(request: Request) -> list[Violation]:
    """One violation for each name that the query of a request repeats, and for each that its endpoint does not have.

    One of the values would be ignored. A query model refuses unknown names itself, with the other violations.
    """
    times = Counter(name for name, _ in request.query_params.multi_items())
    known = _names_of_route(request)
    unknown = [] if known is None else [name for name in times if name not in {*known, ON_BEHALF_OF}]
    return [
        *(_repeated(name, count) for name, count in times.items() if count > 1),
        *(violation_of({"type": "extra_forbidden", "loc": ("query", name), "msg": ""}) for name in unknown),
    ]


def _repeated(name: str, count: int) -> Violation:
    return Violation("field_repeated", f"{name} appears {count} times", f"/query/{name}", {"in": "query", "name": name})


def _names_of_route(request: Request) -> frozenset[str] | None:
    """As `_names_of`, and kept for the next requests of this route, whose dependencies never change."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    kept: NamesByRoute = request.app.state.query_names
    if route.unique_id not in kept:
        kept[route.unique_id] = _names_of(route.dependant)
    return kept[route.unique_id]


def _names_of(dependant: Dependant) -> frozenset[str] | None:
    """The names of the query parameters; None: there is a query model."""
    names: set[str] = set()
    waiting = [dependant]
    while waiting:
        each = waiting.pop()
        waiting += each.dependencies
        for field in each.query_params:
            kind = field.field_info.annotation
            if isinstance(kind, type) and issubclass(kind, WholeQuery):
                return None
            names.add(field.alias)
    return frozenset(names)
