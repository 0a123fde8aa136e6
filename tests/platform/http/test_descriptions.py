"""Every field and every parameter of the API says what it means, in one form, and more than its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from adsum.platform.http.field_descriptions import FIELDS, NAMES_IN_PATHS, PARAMETERS
from tests.platform.http.snapshot import recorded

Described = tuple[str, str, str | None]
# Words that add nothing to a name.
FILLERS = frozenset({"a", "an", "the", "of", "this", "id", "value", "field", "is", "list"})


def fields() -> Iterator[Described]:
    """The place, the name and the description of every field of a body."""
    for schema, content in recorded()["components"]["schemas"].items():
        for name, field in content.get("properties", {}).items():
            yield f"{schema}.{name}", name, field.get("description")


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in recorded()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def parameters() -> Iterator[Described]:
    for place, operation in operations():
        for each in operation.get("parameters", ()):
            yield f"{place} {each['in']} {each['name']}", each["name"], each.get("description")


def headers() -> Iterator[Described]:
    for name, header in recorded()["components"]["headers"].items():
        yield name, name, header.get("description")
    for place, operation in operations():
        for response in operation["responses"].values():
            for name, header in response.get("headers", {}).items():
                if "$ref" not in header:
                    yield f"{place} {name}", name, header.get("description")


def words_of(text: str) -> set[str]:
    """The words of a description or a name in camelCase, without fillers. "The `id` of …" says what a number is."""
    return {word.lower().rstrip("s") for word in re.findall(r"`id`|[A-Z]?[a-z]+|[A-Z]+|[0-9]+", text)} - FILLERS


@pytest.mark.parametrize("described", [fields, parameters, headers])
def test_everything_is_described(described: Any) -> None:
    missing = [place for place, _, text in described() if not text]
    assert missing == []


@pytest.mark.parametrize("described", [fields, parameters, headers])
def test_a_description_is_a_sentence_that_says_more_than_the_name(described: Any) -> None:
    repeating = [place for place, name, text in described() if text and words_of(text) <= words_of(name)]
    assert repeating == []
    formless = [place for place, _, text in described() if text and not re.match(r"[A-Z0-9`].*\.$", text, re.DOTALL)]
    assert formless == []


VERBS = frozenset(
    re.findall(
        r"[a-z]+",
        """
        add assign begin cancel change clear close complete confirm correct create end enter erase export get import
        lift list merge open place preview put readmit remind remove rename renew replace replay reset retry revoke
        rotate search set settle sign stream test undo unlock delete
        """,
    )
)
READING = frozenset({"export", "get", "list", "preview", "stream"})


def test_operations_are_named_by_a_verb_and_its_object() -> None:
    named = {operation["operationId"]: place for place, operation in operations()}
    verbs = {name: re.split(r"(?=[A-Z])", name, maxsplit=1)[0] for name in named}
    assert [name for name in named if not re.fullmatch(r"[a-z]+([A-Z][a-z]*)+", name)] == []
    assert [name for name, verb in verbs.items() if verb not in VERBS] == []
    assert [name for name, place in named.items() if place.startswith("GET ") and verbs[name] not in READING] == []
    assert VERBS - set(verbs.values()) == set()


def test_an_operation_that_reads_a_list_is_named_list() -> None:
    schemas = recorded()["components"]["schemas"]
    for place, operation in operations():
        content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        returned = schemas.get(name, {}).get("properties", {})
        is_list = operation["operationId"].startswith("list")
        if place.startswith("GET "):
            assert is_list or "nextCursor" not in returned, place
            assert not is_list or "items" in returned, place


def test_every_shared_description_is_used() -> None:
    """One that a single field uses belongs to this field, unless its form is that of others beside it."""
    texts = {(name, text) for _, name, text in (*fields(), *parameters())}
    assert [name for name, text in FIELDS.items() if (name, text) not in texts] == []
    assert [key for key, text in PARAMETERS.items() if (key[1], text) not in texts] == []
    last = {path.partition("/{id}")[0].rpartition("/")[2] for path in recorded()["paths"] if "/{id}" in path}
    assert NAMES_IN_PATHS.keys() - last == set()
