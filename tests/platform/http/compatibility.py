"""Checks whether the present OpenAPI description is compatible with the recorded one.

Within a major version only optional fields, new endpoints and documented enum values are added (`product.md`, HTTP).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Json = Any

# For people: may change at will.
WORDS = frozenset({"description", "summary", "title", "example", "examples", "tags", "info"})
# Below these keys, new names are compatible.
OPEN = frozenset({"paths", "properties", "responses", "schemas", "content", "securitySchemes", "headers"})
METHODS = frozenset({"get", "put", "post", "delete", "patch"})


def incompatibilities(recorded: Json, present: Json, place: tuple[str, ...] = ()) -> Iterator[str]:
    """The changes that break clients, one line each with its location."""
    match recorded, present:
        case dict(), dict():
            yield from _of_objects(cast("dict[str, Json]", recorded), cast("dict[str, Json]", present), place)
        case list(), list():
            yield from _of_lists(cast("list[Json]", recorded), cast("list[Json]", present), place)
        case _ if recorded != present:
            yield f"{_path(place)}: {recorded!r} became {present!r}"
        case _:
            pass


def _of_objects(recorded: Mapping[str, Json], present: Mapping[str, Json], place: tuple[str, ...]) -> Iterator[str]:
    names_are_free = bool(place) and place[-1] in OPEN
    for name, value in recorded.items():
        if name in WORDS and not names_are_free:
            continue
        if name not in present:
            yield f"{_path((*place, name))}: is gone"
        else:
            yield from incompatibilities(value, present[name], (*place, name))
    for name in present.keys() - recorded.keys():
        if name == "parameters" and not names_are_free:
            yield from incompatibilities([], present[name], (*place, name))
        elif name == "headers" and not names_are_free:
            yield from incompatibilities({}, present[name], (*place, name))
        elif not (names_are_free or name in METHODS or name in WORDS):
            yield f"{_path((*place, name))}: is new, and constrains what was free"


def _of_lists(recorded: Sequence[Json], present: Sequence[Json], place: tuple[str, ...]) -> Iterator[str]:
    match place[-1]:
        case "parameters":
            yield from _of_parameters(_by_name(recorded), _by_name(present), place)
        case "enum":
            yield from (f"{_path(place)}: {value!r} is gone" for value in recorded if value not in present)
        case "required":
            yield from (f"{_path(place)}: {name} is no longer certain" for name in recorded if name not in present)
            yield from (f"{_path(place)}: {name} is newly demanded" for name in present if name not in recorded)
        case "tags":
            pass
        case _ if len(recorded) == len(present):
            for index, (before, after) in enumerate(zip(recorded, present, strict=True)):
                yield from incompatibilities(before, after, (*place, str(index)))
        case _:
            yield f"{_path(place)}: {len(recorded)} alternatives became {len(present)}"


def _of_parameters(recorded: Mapping[str, Json], present: Mapping[str, Json], place: tuple[str, ...]) -> Iterator[str]:
    for name, parameter in recorded.items():
        if name not in present:
            yield f"{_path((*place, name))}: is gone"
        else:
            yield from incompatibilities(parameter, present[name], (*place, name))
    for name in present.keys() - recorded.keys():
        if present[name].get("required"):
            yield f"{_path((*place, name))}: is newly demanded"


def _by_name(parameters: Sequence[Json]) -> dict[str, Json]:
    return {f"{parameter['in']} {parameter['name']}": parameter for parameter in parameters}


def _path(place: Sequence[str]) -> str:
    return " > ".join(place)
