"""Bodies have JSON numbers and flags: neither a flag nor a text is taken for a number, nor a number for a flag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, cast

import pytest
from fastapi.params import Body, Form
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from adsum.accounts.access import Role
from adsum.app import ROUTERS
from adsum.registers.sheets.schemas import SentSheet
from tests.support.api import Api, violations

WRONG = {"integer": (True, "1", 1.0), "boolean": (1, 0, "true", "yes")}


def bodies() -> Iterator[Any]:
    """The types of all bodies that are JSON; that of a sheet is read by the page itself."""
    yield SentSheet
    for route in (each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)):
        for parameter in route.dependant.body_params:
            if isinstance(parameter.field_info, Body) and not isinstance(parameter.field_info, Form):
                yield parameter.field_info.annotation


def models(schema: Any) -> Iterator[type[BaseModel]]:
    """The models in the schema of a type."""
    if isinstance(schema, dict):
        content = cast("dict[str, Any]", schema)
        if content.get("type") == "model":
            yield content["cls"]
        for value in content.values():
            yield from models(value)
    elif isinstance(schema, list | tuple):
        for value in cast("Sequence[Any]", schema):
            yield from models(value)


MODELS = sorted({each for body in bodies() for each in models(TypeAdapter(body).core_schema)}, key=str)


def wrong_values(field: dict[str, Any]) -> Iterator[Any]:
    """Values of other types than the field, from its JSON schema."""
    kinds = field.get("anyOf", [field])
    types = {each.get("type") for each in kinds}
    for kind in kinds:
        yield from (value for value in WRONG.get(kind.get("type"), ()) if not is_of(value, types))
        if kind.get("type") == "array":
            yield from ([value] for value in wrong_values(kind["items"]))


def is_of(value: Any, types: set[str | None]) -> bool:
    return isinstance(value, str) and "string" in types


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_field_of_a_body_converts_a_value_of_another_type(model: type[BaseModel]) -> None:
    taken: list[tuple[str, Any]] = []
    for name, field in model.model_json_schema().get("properties", {}).items():
        for value in wrong_values(field):
            try:
                model.model_validate({name: value})
                refused = set[Any]()
            except ValidationError as error:
                refused = {each["loc"][0] for each in error.errors() if each["loc"]}
            if name not in refused:
                taken.append((name, value))

    assert taken == []


def test_bodies_with_numbers_and_flags_are_found() -> None:
    names = {each.__name__ for each in MODELS}
    assert {"CreateBatch", "WebhookRotationBody", "StudentSearch", "SentSearch", "SentMark"} <= names


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/students/search", "schoolId"),
        ("/users/search", "limit"),
        ("/absences/search", "classId"),
        ("/search", "limit"),
    ],
)
async def test_a_search_refuses_a_flag_and_a_text_for_a_number(api: Api, path: str, field: str) -> None:
    await api.sign_in(Role.ADMIN, None)
    flag = await api.post(path, {field: True, "q": "a"}, "admin")
    text = await api.post(path, {field: "1", "q": "a"}, "admin")
    number = await api.post(path, {field: 1, "q": "ab"}, "admin")

    assert violations(flag) == violations(text) == {(f"/{field}", "wrong_type")}
    assert number.status_code == HTTPStatus.OK
