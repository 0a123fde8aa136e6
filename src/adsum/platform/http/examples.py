"""Examples in the OpenAPI description: real requests, answers and events, from `examples.json` of each feature.

A test sends the requests to a new school, and compares its answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

JSON = "application/json"


def add_examples(description: dict[str, Any], packages: Iterable[str]) -> None:
    """Adds the examples in these packages: of operations by their `operationId`, of schemas by their `type`."""
    operations = {each["operationId"]: each for item in description["paths"].values() for each in item.values()}
    for package in packages:
        content: dict[str, dict[str, Any]] = json.loads((files(package) / "examples.json").read_text(encoding="utf-8"))
        for name, example in content.get("operations", {}).items():
            _add(example, operations[name])
        for schema, example in _of_schemas(description["components"]["schemas"], content.get("schemas", {})):
            schema["examples"] = [example]


def _add(example: dict[str, Any], operation: dict[str, Any]) -> None:
    if "request" in example:
        _media_of(operation["requestBody"], example["request"])["example"] = example["request"]
    if "response" in example:
        response = operation["responses"][str(example["status"])]
        _media_of(response, example["response"])["example"] = example["response"]


def _media_of(message: dict[str, Any], example: object) -> dict[str, Any]:
    """The content of the type of an example: a text is not JSON."""
    content: dict[str, dict[str, Any]] = message["content"]
    fitting = (name for name in content if (name == JSON) != isinstance(example, str))
    return content[next(fitting, next(iter(content)))]


def _of_schemas(schemas: dict[str, Any], examples: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    for schema in schemas.values():
        kind = schema.get("properties", {}).get("type", {}).get("const")
        if kind in examples:
            yield schema, examples[kind]
