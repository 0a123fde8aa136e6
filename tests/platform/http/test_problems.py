from __future__ import annotations

import logging
import tracemalloc
from typing import Any, get_args

import httpx2
import pytest
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel

from adsum.accounts.access import Permission, Role
from adsum.app import ROUTERS
from adsum.platform.errors import Invalid
from adsum.platform.http.json_bodies import JsonRoute, read_json
from tests.support.frame import FAILURES, Frame

MEMBERS = {"type", "title", "status", "detail", "code", "params", "errors"}
JSON = {"Content-Type": "application/json"}


def problem_of(response: httpx2.Response) -> dict[str, Any]:
    """Returns the problem in a response. Checks its form."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem.keys() == MEMBERS
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:adsum:problem:{problem['code']}"
    assert problem["errors"]
    for entry in problem["errors"]:
        assert entry.keys() == {"pointer", "detail", "code", "params"}
    return problem


def codes_by_pointer(response: httpx2.Response) -> dict[str, str]:
    return {entry["pointer"]: entry["code"] for entry in problem_of(response)["errors"]}


async def echo(full_frame: Frame, body: Any) -> httpx2.Response:
    return await full_frame.client.post("/trial/echo/3", json=body)


def is_json(route: APIRoute) -> bool:
    return route.body_field is not None and not isinstance(route.body_field.field_info, Form)


def models_of(field: Any) -> set[type[BaseModel]]:
    """The model of a body or a query, and the models of its fields."""
    found: set[type[BaseModel]] = set()
    waiting = [field.field_info.annotation]
    while waiting:
        kind = waiting.pop()
        waiting.extend(get_args(kind))
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.add(kind)
            waiting.extend(each.annotation for each in kind.model_fields.values())
    return found


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("malformed", 400),
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("not_found", 404),
        ("roster_changed", 409),
        ("records_exist", 409),
        ("too_large", 413),
        ("invalid", 422),
        ("deaf", 503),
    ],
)
async def test_every_error_has_its_status_and_code(frame: Frame, name: str, status: int) -> None:
    response = await frame.client.get(f"/trial/failures/{name}")
    assert response.status_code == status
    assert problem_of(response)["code"] == name


async def test_a_problem_contains_violations_and_params(frame: Frame) -> None:
    invalid = problem_of(await frame.client.get("/trial/failures/invalid"))
    assert invalid["errors"] == [
        {"pointer": "/x/1", "detail": "first", "code": "a", "params": {"id": 1}},
        {"pointer": "", "detail": "second", "code": "b", "params": {}},
    ]
    changed = problem_of(await frame.client.get("/trial/failures/roster_changed"))
    assert changed["params"] == {"joined": [7], "left": [8]}


async def test_an_error_without_violations_is_the_only_entry(frame: Frame) -> None:
    problem = problem_of(await frame.client.get("/trial/failures/not_found"))
    assert problem["errors"] == [{"pointer": "", "detail": "nowhere", "code": "not_found", "params": {}}]


async def test_401_names_the_authentication_scheme_and_503_the_time_to_retry(
    frame: Frame,
) -> None:
    unknown = await frame.client.get("/trial/failures/unauthenticated")
    assert unknown.headers["www-authenticate"].startswith("Bearer")
    assert (await frame.client.get("/trial/failures/deaf")).headers["retry-after"] in set("12345")


@pytest.mark.parametrize("name", ["surprise", "wrong_configuration"])
async def test_an_unexpected_error_reveals_no_details(
    frame: Frame, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = await frame.client.get(f"/trial/failures/{name}", headers={"X-Request-ID": "trace-7"})
    assert response.status_code == 500
    assert problem_of(response)["code"] == "internal_error"
    assert response.headers["x-request-id"] == "trace-7"
    assert response.headers["x-content-type-options"] == "nosniff"
    for secret in ("hunter2", "Ada"):
        assert secret not in response.text
        assert secret not in caplog.text
        assert all(secret not in str(vars(record)) for record in caplog.records)
    failures = [vars(record) for record in caplog.records if record.levelno == logging.ERROR]
    assert [(failure["request_id"], failure["error"]) for failure in failures] == [
        ("trace-7", type(FAILURES[name]).__name__)
    ]
    assert "fail" in failures[0]["where"][-1]


async def test_unknown_paths_and_methods_are_problems(frame: Frame) -> None:
    nowhere = problem_of(await frame.client.get("/nowhere"))
    assert (nowhere["code"], nowhere["detail"]) == ("not_found", "there is nothing at this address")
    assert (await frame.client.request("TRACE", "/livez")).status_code == 405
    response = await frame.client.delete("/livez")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert problem_of(response)["code"] == "method_not_allowed"
    assert problem_of(response)["detail"] == "this address does not take this method, only GET"


async def test_a_path_parameter_does_not_match_the_fixed_path_of_another_route(frame: Frame) -> None:
    """Also for a request that would be refused without it: 401, 422 or 428."""
    every = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    fixed = {route.path for route in every if not route.param_convertors}
    shadowed = [
        (path, method)
        for path in sorted(fixed)
        for method in sorted({m for route in every if route.path_regex.match(path) for m in route.methods or ()})
        if not any(route.path == path and method in (route.methods or ()) for route in every)
    ]
    assert ("/attendances/create-batch", "DELETE") in shadowed
    for path, method in shadowed:
        response = await frame.client.request(method, path)
        allowed = {m for route in every if route.path == path for m in route.methods or ()}
        assert (path, response.status_code) == (path, 405)
        assert set(response.headers["allow"].split(", ")) == allowed


async def test_a_good_body_is_camel_case_in_and_out(frame: Frame) -> None:
    rest: dict[str, Any] = {"marks": [], "day": "2024-12-25"}
    response = await echo(frame, {"classId": 1, "studentIds": [2], "isAll": True})
    assert response.status_code == 200
    assert response.json() == {"classId": 1, "studentIds": [2], "isAll": True, "note": "3 50", "mode": None, **rest}


@pytest.mark.parametrize(
    "content",
    [b'{"classId": 1,}', b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"classId": ' + b"9" * 5000 + b"}", b"nonsense"],
)
async def test_a_body_that_is_not_json_is_malformed(frame: Frame, content: bytes) -> None:
    response = await frame.client.post("/trial/echo/3", content=content, headers=JSON)
    assert response.status_code == 400
    assert problem_of(response)["code"] == "malformed"


async def test_every_repeated_name_is_refused_with_its_place(frame: Frame) -> None:
    content = b"""{"classId": 1, "note": "a", "marks": [1, {"a": {"x": 1, "x": 2}, "a": 3}], "note": "b", "note": 1}"""
    response = await frame.client.post("/trial/echo/3", content=content, headers=JSON)

    assert response.status_code == 422
    assert [(each["pointer"], each["code"], each["detail"]) for each in problem_of(response)["errors"]] == [
        ("/note", "field_repeated", "note appears 3 times"),
        ("/marks/1/a", "field_repeated", "a appears 2 times"),
        ("/marks/1/a/x", "field_repeated", "x appears 2 times"),
    ]


@pytest.mark.long
def test_a_repeated_name_beside_deep_and_wide_values_takes_memory_for_each_value_once() -> None:
    depth, breadth = 400, 100_000
    body = b'{"a": 1, "a": ' + b"[" * depth + b",".join([b"[]"] * breadth) + b"]" * depth + b"}"
    tracemalloc.start()
    with pytest.raises(Invalid) as refused:
        read_json(body, frozenset("a"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [each.pointer for each in refused.value.violations] == ["/a"]
    assert peak / breadth < 1_000  # bytes; the places of all values take 400 * 8 each


def test_at_most_ten_thousand_repeated_names_are_listed() -> None:
    with pytest.raises(Invalid) as refused:
        read_json(b"[" + b",".join([b'{"a": 1, "a": 2}'] * 10_001) + b"]", frozenset("a"))
    assert len(refused.value.violations) == 10_000


@pytest.mark.parametrize(
    ("content", "code", "pointer"),
    [
        (b'{"marks": [{"status": "late", "status": "absent"}]}', "field_repeated", "/marks/0/status"),
        (b'{"rosterVersion": "x", "marks": null}', "wrong_type", "/marks"),
        (
            b'{"rosterVersion": "x", "marks": [{"studentId": "1", "status": "late"}]}',
            "wrong_type",
            "/marks/0/studentId",
        ),
        (b"{", "malformed", ""),
        (b'"\xff"', "malformed", ""),
        (b"9" * 5000, "malformed", ""),
    ],
)
async def test_a_register_sheet_is_read_as_other_bodies(frame: Frame, content: bytes, code: str, pointer: str) -> None:
    headers = JSON | {"Cookie": f"adsum={await frame.token(Role.ADMIN)}", "Sec-Fetch-Site": "same-origin"}
    accepts = {"Accept": "application/json"}
    response = await frame.client.post("/take/1/2/2024-12-25", content=content, headers=headers | accepts)
    assert codes_by_pointer(response) == {pointer: code}


async def test_names_in_snake_case_are_unknown(frame: Frame) -> None:
    response = await echo(frame, {"classId": 1, "student_ids": [2], "is_all": True})
    assert codes_by_pointer(response) == {"/student_ids": "unknown_field", "/is_all": "unknown_field"}


async def test_null_is_refused_in_plain_words(frame: Frame) -> None:
    response = await echo(frame, {"classId": None, "studentIds": None, "marks": None, "isAll": None, "day": None})
    assert {each["pointer"]: each["detail"] for each in problem_of(response)["errors"]} == {
        "/classId": "classId must be a whole number, not null",
        "/studentIds": "studentIds must be a list, not null",
        "/marks": "marks must be a list, not null",
        "/isAll": "isAll must be true or false, not null",
        "/day": "day must be a text, not null",
    }


async def test_a_value_that_is_no_list_is_of_the_wrong_type(frame: Frame) -> None:
    for value in ("abc", {"a": 1}, 7):
        assert codes_by_pointer(await echo(frame, {"classId": 1, "marks": value})) == {"/marks": "wrong_type"}


def test_every_endpoint_reads_its_body_and_query_alike() -> None:
    """JSON without repeated names; bodies and queries without names in snake_case."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    with_body = [route for route in routes if is_json(route)]
    models = {model for route in with_body for model in models_of(route.body_field)}
    models |= {model for route in routes for field in route.dependant.query_params for model in models_of(field)}

    assert len(with_body) > 10
    assert len(models) > 20
    assert [route.path for route in with_body if not isinstance(route, JsonRoute)] == []
    assert [model for model in models if model.model_config.get("validate_by_name") is not False] == []


async def test_every_violation_has_a_pointer(frame: Frame) -> None:
    body: dict[str, Any] = {
        "classId": "12abc",
        "studentIds": [1, "2", True, None, 2**64, 1.5, 0, -1, {}],
        "isAll": 1,
        "note": "a\x00b",
        "mode": "rocket",
        "x/y~z": 1,
    }
    response = await echo(frame, body)
    assert response.status_code == 422
    assert codes_by_pointer(response) == {
        "/classId": "wrong_type",
        "/studentIds/1": "wrong_type",
        "/studentIds/2": "wrong_type",
        "/studentIds/3": "wrong_type",
        "/studentIds/4": "out_of_range",
        "/studentIds/5": "wrong_type",
        "/studentIds/6": "out_of_range",
        "/studentIds/7": "out_of_range",
        "/studentIds/8": "wrong_type",
        "/isAll": "wrong_type",
        "/note": "wrong_text",
        "/mode": "unknown_value",
        "/x~1y~0z": "unknown_field",
    }


async def test_codes_have_their_params(frame: Frame) -> None:
    response = await echo(frame, {"studentIds": [2**63, 0], "note": "x" * 21, "mode": "rocket", "isAll": None})
    entries = {entry["pointer"]: entry for entry in problem_of(response)["errors"]}
    assert entries["/classId"]["code"] == "missing_field"
    assert entries["/studentIds/0"]["params"] == {"maximum": 2**63 - 1}
    assert entries["/studentIds/1"]["params"] == {"minimum": 1}
    assert (entries["/note"]["code"], entries["/note"]["params"]) == ("too_long", {"maximum": 20})
    assert entries["/isAll"]["params"] == {"expected": "boolean"}
    assert "batch:read" in entries["/mode"]["params"]["expected"]


@pytest.mark.parametrize("body", [[], "text", 7, None])
async def test_a_body_that_is_not_an_object_is_refused(frame: Frame, body: Any) -> None:
    response = await echo(frame, body)
    assert response.status_code == 422
    assert codes_by_pointer(response) in ({"": "wrong_type"}, {"": "missing_field"})


async def test_half_a_surrogate_pair_is_refused_everywhere(frame: Frame) -> None:
    for content in (b'{"classId": 1, "note": "\\ud800"}', b'{"classId": 1, "\\ud800": 1}', b'{"classId": "\\ud800"}'):
        response = await frame.client.post("/trial/echo/3", content=content, headers=JSON)
        assert response.status_code == 422
        assert problem_of(response)["errors"]


async def test_nan_is_not_a_number(frame: Frame) -> None:
    response = await frame.client.post("/trial/echo/3", content=b'{"classId": NaN}', headers=JSON)
    assert codes_by_pointer(response) == {"/classId": "wrong_type"}


async def test_a_violation_outside_the_body_has_a_pointer_with_its_place(frame: Frame) -> None:
    response = await frame.client.post("/trial/echo/abc?limit=101", json={"classId": 1})
    assert [entry["params"] for entry in problem_of(response)["errors"]] == [
        {"in": "path", "name": "class_id", "expected": "integer"},
        {"in": "query", "name": "limit", "maximum": 100},
    ]


async def test_a_body_of_another_media_type_is_refused(frame: Frame) -> None:
    response = await frame.client.post("/trial/echo/3", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert problem_of(response)["code"] == "unsupported_media_type"


async def test_a_hundred_thousand_ids_are_accepted_and_as_many_wrong_ones_refused(frame: Frame) -> None:
    good = await echo(frame, {"classId": 1, "studentIds": list(range(1, 100_001))})
    assert (good.status_code, len(good.json()["studentIds"])) == (200, 100_000)
    wrong = await echo(frame, {"classId": 1, "studentIds": [None] * 100_000})
    problem = problem_of(wrong)
    assert len(problem["errors"]) == 10_000
    assert problem["detail"] == "the request has 100,000 errors; 10,000 of them are listed"
    more = await echo(frame, {"classId": 1, "studentIds": [None] * 100_001})
    assert codes_by_pointer(more) == {"/studentIds": "too_long"}


async def test_no_input_is_logged(frame: Frame, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await frame.client.post("/trial/echo/3?name=Ada", json={"classId": "Ada", "Ada": 1}, headers={"X-Ada": "Ada"})
    await frame.client.get("/Ada")
    ours = [record for record in caplog.records if record.name.startswith("adsum")]
    assert [(vars(record)["route"], vars(record)["status"]) for record in ours] == [
        ("/trial/echo/{class_id}", 422),
        ("unknown", 404),
    ]
    assert all("Ada" not in str(vars(record)) for record in ours)


async def send_one_allowed_and_eleven_refused(frame: Frame, token: str, key: str) -> None:
    as_viewer, cookie = {"Authorization": f"Bearer {token}"}, {"Cookie": f"adsum={token}", "Accept": "text/html"}
    await frame.client.get("/auth/sign-ins", headers=as_viewer)
    await frame.client.post("/rosters/import", headers=as_viewer)
    await frame.client.get("/classes?colour=red", headers=as_viewer)
    await frame.client.get("/admin/people", headers=cookie)
    await frame.client.get("/admin/people", headers={"Cookie": "adsum=forged", "Accept": "text/html"})
    await frame.client.get("/trial/marks", headers={"Authorization": "Bearer forged"})
    await frame.client.get("/trial/marks", headers={"X-API-Key": "forged"})
    await frame.client.get("/trial/marks", headers={"X-API-Key": key})
    await frame.client.delete("/livez")
    await frame.client.get("/metrics", headers={"X-API-Key": "forged"})
    await frame.client.get("/nowhere")
    await frame.client.post("/sign-in", content=b"", headers={"Content-Length": str(10**12)})


async def test_a_refused_request_is_logged_with_its_sender_address_and_reason(
    frame: Frame, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    token = await frame.token(Role.VIEWER)
    user = (await frame.adsum.tokens.caller_of(token)).user_id
    key = await frame.adsum.api_keys.create("all", [Permission.BATCH_READ], networks=["192.0.2.0/24"])
    caplog.clear()
    await send_one_allowed_and_eleven_refused(frame, token, key.secret)
    lines = [vars(record) for record in caplog.records if record.msg == "request"]
    viewer = f"user-{user}"
    assert [(each["status"], each.get("code"), each.get("actor"), each.get("address")) for each in lines] == [
        (200, None, None, None),
        (403, "forbidden", viewer, "127.0.0.1"),
        (422, "invalid", viewer, "127.0.0.1"),
        (403, "forbidden", viewer, "127.0.0.1"),
        (303, "unauthenticated", None, "127.0.0.1"),
        (401, "unauthenticated", None, "127.0.0.1"),
        (401, "unauthenticated", None, "127.0.0.1"),
        (403, "address_not_allowed", None, "127.0.0.1"),
        (405, "method_not_allowed", None, "127.0.0.1"),
        (401, "unauthenticated", None, "127.0.0.1"),
        (404, "not_found", None, "127.0.0.1"),
        (413, "too_large", None, "127.0.0.1"),
    ]
    assert "forged" not in caplog.text


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "Ada's", "über"])
async def test_an_unsafe_request_id_is_replaced(frame: Frame, given: str) -> None:
    response = await frame.client.get("/livez", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert len(response.headers["x-request-id"]) == 32
