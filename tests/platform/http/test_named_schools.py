"""Schools that do not exist, and those that the caller may not see, get one answer: 404 in a list, 422 in a body."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from adsum.accounts.access import Role
from tests.platform.http.snapshot import present
from tests.support.api import DAY, Api, violations
from tests.support.schools import make_bare_school

UNKNOWN = 999_999
# Values of the other parameters that lists require.
REQUIRED = {"from": DAY, "to": DAY, "by": "class"}
# Of the other fields nothing is wrong.
BODIES: dict[str, dict[str, Any]] = {
    "/registers/reminders": {},
    "/users/readmissions": {"sourcedId": "t-1"},
    "/users": {"email": "new@school.example", "role": "viewer"},
    "/absences": {"studentIds": [1], "from": DAY, "to": DAY, "status": "excused", "reason": "flu"},
}
SEARCHES = ("/absences/search", "/students/search", "/users/search")


def lists_of_schools() -> dict[str, dict[str, str]]:
    """The lists that take a school, each with its required parameters."""
    return {
        path: {name: REQUIRED[name] for name, is_required in parameters.items() if is_required and name != "schoolId"}
        for path, parameters in ((path, parameters_of(each)) for path, each in present()["paths"].items())
        if "{" not in path and "schoolId" in parameters
    }


def parameters_of(operations: dict[str, Any]) -> dict[str, bool]:
    """The parameters of a GET, and whether they are required."""
    return {each["name"]: each["required"] for each in operations.get("get", {}).get("parameters", ())}


def refusal_of(school_id: int) -> tuple[int, str, dict[str, Any]]:
    return HTTPStatus.NOT_FOUND, f"there is no school {school_id}", {"schoolId": school_id}


async def test_every_list_refuses_a_school_that_the_caller_must_not_see_as_one_that_does_not_exist(api: Api) -> None:
    async with api.adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    await api.sign_in(Role.ADMIN, api.school.school_id)
    lists = lists_of_schools()
    assert len(lists) >= 26

    shown = {path: await api.get(path, "admin", schoolId=api.school.school_id, **more) for path, more in lists.items()}
    refused = {
        (path, school_id): (await api.get(path, "admin", schoolId=school_id, **more)).json()
        for path, more in lists.items()
        for school_id in (other, UNKNOWN)
    }

    assert {path: answer.status_code for path, answer in shown.items()} == dict.fromkeys(lists, HTTPStatus.OK)
    assert {key: (each["status"], each["detail"], each["params"]) for key, each in refused.items()} == {
        (path, school_id): refusal_of(school_id) for path in lists for school_id in (other, UNKNOWN)
    }


async def test_searches_and_files_refuse_it_too_and_no_export_is_recorded(api: Api) -> None:
    async with api.adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    await api.sign_in(Role.ADMIN, api.school.school_id)
    headers = {"Accept": "text/csv", "Authorization": f"Bearer {api.tokens['admin']}"}

    for school_id in (other, UNKNOWN):
        for path in SEARCHES:
            answer = (await api.post(path, {"schoolId": school_id}, "admin")).json()
            assert (answer["status"], answer["detail"], answer["params"]) == refusal_of(school_id), path
        for path in ("/attendances?classId=1", "/audit?action=signed_in", "/contacts/to-call?limit=1"):
            answer = (await api.client.get(f"{path}&schoolId={school_id}", headers=headers)).json()
            assert (answer["status"], answer["detail"], answer["params"]) == refusal_of(school_id), path
    entries = (await api.get("/audit", "admin")).json()["items"]
    assert [each["action"] for each in entries if each["action"].endswith("_exported")] == []


async def test_an_admin_of_all_schools_sees_the_lists_of_each(api: Api) -> None:
    async with api.adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    await api.sign_in(Role.ADMIN, None)

    found = {
        path: (await api.get(path, "admin", schoolId=other, **more)).status_code
        for path, more in lists_of_schools().items()
    }

    assert found == dict.fromkeys(found, HTTPStatus.OK)


async def test_bodies_point_to_the_school(api: Api) -> None:
    async with api.adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    await api.sign_in(Role.ADMIN, api.school.school_id)

    for school_id in (other, UNKNOWN):
        expected = {"pointer": "/schoolId", "code": "unknown_school", "params": {"schoolId": school_id}}
        for path, body in BODIES.items():
            refused = await api.post(path, body | {"schoolId": school_id}, "admin")
            errors = refused.json()["errors"]
            assert (refused.status_code, errors) == (
                HTTPStatus.UNPROCESSABLE_ENTITY,
                [expected | {"detail": f"there is no school {school_id}"}],
            ), path


async def test_a_login_of_a_teacher_whom_the_roster_lacks_points_to_the_teacher(api: Api) -> None:
    await api.sign_in(Role.ADMIN, api.school.school_id)

    refused = await api.post("/users", {"email": "new@school.example", "role": "teacher", "teacher": "t-99"}, "admin")

    assert (refused.status_code, violations(refused)) == (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {("/teacher", "unknown_teacher")},
    )
