"""A request for something that does not exist is 404, and `params` has the ids of what is missing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from adsum.accounts.access import Role
from tests.platform.http.snapshot import present
from tests.support.api import DAY, Api

UNKNOWN = 999_999
IDS = {"id": UNKNOWN, "schoolId": UNKNOWN, "classId": UNKNOWN, "batchId": "class-9-session-9-date-25122024"}
VALUES = IDS | {"kind": "totp", "day": DAY, "from": DAY, "to": DAY}
NAMES = {*IDS, "studentId", "holdId", "sessionId"}


def requests_for_one() -> list[tuple[str, str, dict[str, Any]]]:
    """Each GET and DELETE of one thing: the method, the path, and the query that it requires."""
    return [
        (method.upper(), path.format(**VALUES), required_query(operation))
        for path, operations in present()["paths"].items()
        for method, operation in operations.items()
        if "{" in path and method in {"get", "delete"}
    ]


def required_query(operation: dict[str, Any]) -> dict[str, Any]:
    required = [each["name"] for each in operation["parameters"] if each["in"] == "query" and each["required"]]
    return {name: VALUES[name] for name in required}


async def test_the_problem_of_something_that_does_not_exist_names_its_ids(api: Api) -> None:
    await api.sign_in(Role.ADMIN, None)
    found: dict[str, tuple[int, bool]] = {}
    for method, path, query in requests_for_one():
        answer = await api.change(method, path, "admin", '"1"', params=query)
        (error,) = answer.json()["errors"]
        found[f"{method} {path}"] = (answer.status_code, bool(error["params"].keys() & NAMES))

    assert len(found) >= 37
    assert {request: each for request, each in found.items() if each != (HTTPStatus.NOT_FOUND, True)} == {}


async def test_a_key_that_does_not_exist_is_named_by_its_id(api: Api) -> None:
    await api.sign_in(Role.ADMIN, None)

    answer = await api.change("DELETE", f"/keys/{UNKNOWN}", "admin", None)

    assert answer.json() == {
        "type": "urn:adsum:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": f"there is no key {UNKNOWN}",
        "code": "not_found",
        "params": {"id": UNKNOWN},
        "errors": [
            {"pointer": "", "detail": f"there is no key {UNKNOWN}", "code": "not_found", "params": {"id": UNKNOWN}}
        ],
    }
