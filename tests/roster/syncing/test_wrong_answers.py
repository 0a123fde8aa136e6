"""Services that refuse, are busy, or answer with something else; and objects that are wrong."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from adsum.platform.errors import Violation
from adsum.roster.syncing import client
from adsum.roster.syncing.rules import SourceUnavailable, WrongSource
from tests.roster.conftest import Importing, counts
from tests.roster.syncing.conftest import Syncing
from tests.support.roster_service import Fault, RosterService


async def test_a_wrong_secret_is_refused_by_the_token_endpoint(syncing: Syncing) -> None:
    with pytest.raises(WrongSource) as wrong:
        await syncing.run(secret="another")
    assert wrong.value.detail == "token endpoint: it refuses the client with status 401: invalid_client"
    assert "another" not in str(await syncing.state())


async def test_a_token_that_expires_during_the_sync_is_replaced(syncing: Syncing) -> None:
    syncing.service.uses_of_tokens = 3
    report = await syncing.run()
    assert counts(report.imported)["enrolments"] == (24, 0, 0, 0)
    assert len(syncing.service.tokens) > 2


async def test_tokens_that_are_never_accepted_are_named(syncing: Syncing) -> None:
    syncing.service.uses_of_tokens = 0
    with pytest.raises(WrongSource, match="enrollments: it does not accept the token"):
        await syncing.run()
    assert len(syncing.service.tokens) == 2


@pytest.mark.parametrize(
    "token", [b"{}", b'{"access_token": 7}', b'{"access_token": ""}', b'{"access_token": "a\\nb"}', b"[]", b"<html>"]
)
async def test_an_answer_without_a_usable_token_is_refused(syncing: Syncing, token: bytes) -> None:
    syncing.service.faults["token", 0] = Fault(content=token)
    with pytest.raises(WrongSource, match="token endpoint: its answer"):
        await syncing.run()


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        (Fault(429, {"Retry-After": "7"}), [7.0]),
        (Fault(429, {"Retry-After": "Tue, 15 Oct 2024 12:00:30 GMT"}), [30.0]),
        (Fault(429, {"Retry-After": "Tue, 15 Oct 2024 12:00:30 -0000"}), [30.0]),
        (Fault(503, {"Retry-After": "Tue, 15 Oct 2024 11:00:00 GMT"}), [1.0]),
        (Fault(503, {"Retry-After": "soon"}), [1.0]),
        (Fault(408), [1.0]),
        (Fault(502), [1.0]),
        (Fault(cut=True), [1.0]),
    ],
    ids=str,
)
async def test_a_busy_service_is_asked_again_after_a_while(syncing: Syncing, fault: Fault, pauses: list[float]) -> None:
    syncing.service.faults["users", 2] = fault
    report = await syncing.run()
    assert counts(report.imported)["students"] == (12, 0, 0, 0)
    assert syncing.pauses == pauses


async def test_pauses_grow_and_the_last_problem_is_named(syncing: Syncing) -> None:
    syncing.service.faults["token", 0] = Fault(503)
    with pytest.raises(SourceUnavailable, match="token endpoint: it answered with status 503"):
        await syncing.run()
    assert syncing.pauses == [1.0, 2.0, 4.0, 8.0]


async def test_a_service_that_wants_a_long_pause_is_left_alone(syncing: Syncing) -> None:
    syncing.service.faults["users", 1] = Fault(429, {"Retry-After": "3600"})
    with pytest.raises(SourceUnavailable, match="status 429 and asks to wait for 3600 seconds") as busy:
        await syncing.run()
    assert busy.value.params["retryAfter"] == 3600
    assert syncing.pauses == []


async def test_a_service_at_which_nobody_listens_is_unavailable(syncing: Syncing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    syncing.service.token_url = f"http://127.0.0.1:{port}/token"
    with pytest.raises(SourceUnavailable, match="token endpoint: it cannot be reached: ConnectError"):
        await syncing.run()


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (Fault(content=b"<html>"), "users: its answer is not JSON"),
        (Fault(content=b'{"users": [1'), "users: its answer is not JSON"),
        (Fault(content=b"[]"), "users: its answer is not a JSON object"),
        (Fault(content=b"{}"), "users: its answer has no list 'users'"),
        (Fault(content=b'{"users": {}}'), "users: its answer has no list 'users'"),
        (Fault(403), "users: it answered with status 403"),
        (Fault(404, content=b"{}"), "users: it answered with status 404"),
        (Fault(302, {"Location": "http://127.0.0.1:9/"}), "users: it answered with status 302"),
        (
            Fault(
                400, content=b'{"imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "forbidden"}]}}'
            ),
            "users: it answered with status 400: forbidden",
        ),
        (Fault(400, content=b'{"imsx_CodeMinor": {"imsx_codeMinorField": 7}}'), "users: it answered with status 400"),
        (Fault(400, content=b'{"error": "not a word, but a name"}'), "users: it answered with status 400"),
    ],
    ids=str,
)
async def test_a_wrong_answer_is_named_with_its_resource(
    syncing: Syncing, importing: Importing, fault: Fault, detail: str
) -> None:
    syncing.service.faults["users", 2] = fault
    with pytest.raises(WrongSource) as wrong:
        await syncing.run()
    assert wrong.value.detail == detail
    assert wrong.value.violations[0].pointer == "users"
    assert not any((await importing.everything()).values())
    assert (await syncing.state()).error == f"wrong_roster_source: {detail}"


async def test_an_answer_that_is_too_large_is_refused(syncing: Syncing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 100)
    with pytest.raises(WrongSource, match="its answer is larger than 100 bytes"):
        await syncing.run()


async def test_a_service_without_filters_for_changes_is_named(syncing: Syncing) -> None:
    await syncing.run()
    syncing.service.faults["users", 4] = Fault(
        400,
        content=b'{"imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invalid_filter_field"}]}}',
    )
    with pytest.raises(WrongSource, match="users: it answered with status 400: invalid_filter_field"):
        await syncing.run()


WRONG_FIELDS: list[tuple[str, str, dict[str, Any], tuple[str, str, str]]] = [
    ("orgs", "school-1", {"name": ["Lindenhof"]}, ("orgs/school-1", "wrong_type", "name is not a text")),
    ("users", "student-1", {"givenName": 7.5}, ("users/student-1", "wrong_type", "givenName is not a text")),
    ("users", "student-1", {"givenName": "\ud800"}, ("users/student-1", "wrong_type", "givenName is not a text")),
    ("users", "student-1", {"grades": "9"}, ("users/student-1", "wrong_type", "grades is not a list")),
    (
        "users",
        "student-1",
        {"grades": [["9"]]},
        ("users/student-1", "wrong_type", "grades has an item that is not a text"),
    ),
    ("users", "student-1", {"roles": None}, ("users/student-1", "wrong_type", "roles is not a list of objects")),
    ("users", "student-1", {"roles": ["student"]}, ("users/student-1", "wrong_type", "roles is not a list of objects")),
    ("users", "student-1", {"roles": []}, ("users/student-1", "missing_role", "this user is not in roles")),
    (
        *("users", "student-1", {"roles": [{"role": "student", "org": "school-1"}]}),
        ("users/student-1", "wrong_type", "org is not a reference with a sourcedId"),
    ),
    (
        *("users", "student-1", {"roles": [{"role": "pupil", "org": {"sourcedId": "school-1"}}]}),
        ("users/student-1", "unknown_role", "role is not a role of OneRoster, such as student or teacher"),
    ),
    (
        "users",
        "student-1",
        {"status": "gone"},
        ("users/student-1", "unknown_status", "status is neither active nor tobedeleted"),
    ),
    (
        "classes",
        "class-1",
        {"school": {}},
        ("classes/class-1", "wrong_type", "school is not a reference with a sourcedId"),
    ),
    ("classes", "class-1", {"school": None}, ("classes/class-1", "missing_value", "school is empty")),
    ("classes", "class-1", {"title": ""}, ("classes/class-1", "missing_value", "title is empty")),
    (
        *("classes", "class-1", {"terms": [{"sourcedId": "a,b"}]}),
        ("classes/class-1", "wrong_type", "terms has an item that is not a reference with a sourcedId without commas"),
    ),
    (
        *("enrollments", "class-1-student-1", {"beginDate": "soon"}),
        ("enrollments/class-1-student-1", "date_format", "beginDate is not a day of the form YYYY-MM-DD or DD.MM.YYYY"),
    ),
    (
        *("enrollments", "class-1-student-1", {"user": {"sourcedId": "nobody"}}),
        ("enrollments/class-1-student-1", "unknown_user", "there is no user nobody"),
    ),
]


@pytest.mark.parametrize(("collection", "source_id", "fields", "expected"), WRONG_FIELDS, ids=str)
@pytest.mark.every_case
async def test_a_wrong_object_is_left_out_and_named(
    syncing: Syncing, collection: str, source_id: str, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    syncing.service.find(collection, source_id).update(fields)
    report = await syncing.run()
    assert expected in [(each.pointer, each.code, each.detail) for each in report.imported.violations]
    found = next(each for each in report.imported.violations if each.pointer == expected[0])
    assert (found.params["resource"], found.params["sourcedId"]) == (collection, source_id)
    assert not {"file", "row"} & found.params.keys()


async def test_a_wrong_object_keeps_what_is_stored(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    syncing.service.find("users", "student-1")["givenName"] = {}
    report = await syncing.run(full=True)
    assert report.imported.violation_count == 3  # the user and two enrolments
    assert report.imported.changes_nothing


@pytest.mark.every_case
@pytest.mark.parametrize("item", [7, None, {}, {"sourcedId": ["x"]}], ids=str)
async def test_an_object_without_an_id_ends_nothing(syncing: Syncing, importing: Importing, item: Any) -> None:
    """It may be any of the objects that are missing."""
    await syncing.run()
    users = [each for each in syncing.service.objects["users"] if each["sourcedId"] != "student-1"]
    syncing.service.faults["users", 0] = Fault(
        headers={"X-Total-Count": str(len(users) + 1)}, content=json.dumps({"users": [*users, item]}).encode()
    )

    report = await syncing.run(full=True)

    assert any(each.pointer.startswith("users item ") for each in report.imported.violations)
    assert ("users", "partly_read") in [(each.pointer, each.code) for each in report.imported.violations]
    assert counts(report.imported)["students"][2] == 0


async def test_an_object_that_is_there_twice_is_read_once(service: RosterService, syncing: Syncing) -> None:
    service.objects["classes"].append(service.find("classes", "class-1"))
    report = await syncing.run()
    (violation,) = report.imported.violations
    assert violation == Violation(
        *("repeated_id", "this sourcedId is there twice", "classes/class-1"),
        {"column": "sourcedId", "resource": "classes", "sourcedId": "class-1"},
    )


async def test_a_warning_names_resource_and_id(syncing: Syncing) -> None:
    syncing.service.find("classes", "class-1")["terms"] = [{"sourcedId": "nowhere"}]
    report = await syncing.run()
    assert [(each.pointer, each.code, each.params["column"]) for each in report.imported.warnings] == [
        ("classes/class-1", "unknown_term", "terms")
    ]


async def test_ignored_objects_are_counted_by_resource(syncing: Syncing) -> None:
    syncing.service.add("orgs", "2024-10-01T00:00:00Z", like="school-1", sourcedId="all", type="district")
    report = await syncing.run()
    assert report.imported.ignored == {"orgs: no school": 1}
