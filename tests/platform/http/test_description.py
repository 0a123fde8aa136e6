"""`docs/openapi.json` equals the API, and a change of it breaks no client."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute

from adsum.app import ROUTERS
from tests.platform.http.compatibility import incompatibilities
from tests.platform.http.snapshot import COMMAND, present, recorded

Change = Callable[[dict[str, Any]], object]

DESCRIPTION: dict[str, Any] = {
    "info": {"version": "1"},
    "paths": {
        "/classes": {
            "get": {
                "operationId": "listClasses",
                "summary": "All classes",
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}],
                "responses": {"200": {"description": "good"}},
            },
            "delete": {"operationId": "dropClasses"},
        }
    },
    "components": {
        "schemas": {
            "Class": {
                "required": ["id"],
                "properties": {
                    "id": {"type": "integer"},
                    "title": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "status": {"enum": ["active", "ended"]},
                },
            }
        }
    },
}


def operation(description: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = description["paths"]["/classes"]["get"]
    return found


def schema(description: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = description["components"]["schemas"]["Class"]
    return found


def found_after(change: Change) -> list[str]:
    changed = copy.deepcopy(DESCRIPTION)
    change(changed)
    assert changed != DESCRIPTION
    return list(incompatibilities(DESCRIPTION, changed))


ADDITIONS: list[Change] = [
    lambda d: d["paths"].update({"/students": {"get": {}}}),
    lambda d: d["paths"]["/classes"].update({"post": {}}),
    lambda d: operation(d).update({"summary": "Every class"}),
    lambda d: operation(d)["parameters"].append({"in": "query", "name": "cursor"}),
    lambda d: d["paths"]["/classes"]["delete"].update({"parameters": [{"in": "query", "name": "dryRun"}]}),
    lambda d: operation(d)["responses"].update({"404": {}}),
    lambda d: operation(d)["responses"]["200"].update({"headers": {"RateLimit": {}}}),
    lambda d: schema(d)["properties"].update({"code": {"type": "string"}}),
    lambda d: schema(d)["properties"]["status"]["enum"].append("planned"),
    lambda d: d["components"]["schemas"].update({"Student": {}}),
    lambda d: d["info"].update({"version": "2"}),
]
REMOVALS: list[Change] = [
    lambda d: d["paths"].clear(),
    lambda d: d["paths"]["/classes"].clear(),
    lambda d: operation(d).update({"operationId": "classes"}),
    lambda d: operation(d)["parameters"].clear(),
    lambda d: operation(d)["parameters"].append({"in": "query", "name": "school", "required": True}),
    lambda d: d["paths"]["/classes"]["delete"].update(
        {"parameters": [{"in": "query", "name": "school", "required": True}]}
    ),
    lambda d: operation(d)["parameters"][0]["schema"].update({"maximum": 50}),
    lambda d: operation(d)["parameters"][0]["schema"].update({"minimum": 1}),
    lambda d: operation(d)["responses"].clear(),
    lambda d: schema(d)["required"].append("title"),
    lambda d: schema(d)["required"].clear(),
    lambda d: schema(d)["properties"].pop("title"),
    lambda d: schema(d)["properties"]["id"].update({"type": "string"}),
    lambda d: schema(d)["properties"]["title"]["anyOf"].pop(),
    lambda d: schema(d)["properties"]["title"]["anyOf"].reverse(),
    lambda d: schema(d)["properties"]["status"]["enum"].remove("ended"),
]


@pytest.mark.parametrize("change", ADDITIONS)
def test_an_addition_to_the_description_is_compatible(change: Change) -> None:
    assert found_after(change) == []


@pytest.mark.parametrize("change", REMOVALS)
def test_a_removal_or_a_new_requirement_is_incompatible(change: Change) -> None:
    assert found_after(change) != []


def test_the_api_equals_the_recorded_description() -> None:
    before, now = recorded(), present()
    assert list(incompatibilities(before, now)) == [], "this would break clients"
    assert before == now, f"the API has grown: record it with `{COMMAND}`"


def test_all_operations_of_the_roster_have_the_tag_roster() -> None:
    tags = {tag for path in present()["paths"].values() for operation in path.values() for tag in operation["tags"]}

    assert "roster" in tags
    assert "rosters" not in tags


def test_the_function_of_an_operation_has_its_name() -> None:
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    functions = {re.sub(r"(?=[A-Z])", "_", each.name).lower(): each.endpoint.__name__ for each in routes}

    assert len(functions) > 100
    assert {name: function for name, function in functions.items() if name != function} == {
        "get_health": "get_readiness"  # two paths of one function
    }
