from __future__ import annotations

import asyncio
import json

import pytest

from adsum.accounts.access import Role
from adsum.platform.database.engine import open_database
from tests.support.commands import Commands, commands
from tests.support.schools import make_bare_school, make_user

ADMIN = "admin@school.example"


@pytest.fixture
def adsum(sqlite_url: str) -> Commands:
    return commands(database_url=sqlite_url)


def test_users_are_added_listed_and_disabled(sqlite_url: str) -> None:
    adsum = commands(database_url=sqlite_url)
    added = json.loads(adsum.output("user", "add", "Admin@School.example", "--role", "admin", "--json"))
    password = added.pop("password")
    assert added == {
        "id": added["id"],
        "email": ADMIN,
        "role": "admin",
        "schoolId": None,
        "sourcedId": None,
        "givenName": "",
        "familyName": "",
        "disabled": False,
        "hasFirstPassword": True,
    }
    assert json.loads(adsum.output("user", "list", "--json")) == [added]
    assert password not in adsum.output("user", "list")
    assert json.loads(adsum.output("user", "unlock", ADMIN, "--json")) == added
    assert adsum.run("user", "unlock", "nobody@school.example").returncode == 1
    last = adsum.run("user", "disable", ADMIN)
    assert (last.returncode, "last active admin" in last.stderr) == (1, True)
    adsum.output("user", "add", "second@school.example", "--role", "admin")
    assert json.loads(adsum.output("user", "disable", ADMIN, "--json"))["disabled"] is True
    ended = adsum.run("token", "create", ADMIN)
    assert (ended.returncode, ended.stdout) == (1, "")


def test_sign_ins_of_a_user_are_listed_and_ended(adsum: Commands) -> None:
    adsum.output("user", "add", ADMIN, "--role", "admin", "--password-stdin", stdin="correct horse\n")
    for _ in range(3):
        adsum.output("token", "create", ADMIN)
    listed = json.loads(adsum.output("user", "sign-ins", ADMIN, "--json"))
    assert [each["kind"] for each in listed] == ["command"] * 3
    adsum.output("user", "sign-out", ADMIN, "--sign-in", str(listed[0]["id"]))
    assert adsum.run("user", "sign-out", ADMIN, "--sign-in", str(listed[0]["id"])).returncode == 1
    assert json.loads(adsum.output("user", "sign-ins", ADMIN, "--json")) == listed[1:]
    adsum.output("user", "sign-out", ADMIN)
    assert json.loads(adsum.output("user", "sign-ins", ADMIN, "--json")) == []


def test_a_list_written_to_a_file_is_plain_and_aligned(adsum: Commands) -> None:
    adsum.output("user", "add", ADMIN, "--role", "admin", "--password-stdin", stdin="correct horse\n")
    heading, user = adsum.output("user", "list").splitlines()
    names = "Id Email Given name Family name Role School id Sourced id Disabled Has first password"
    assert heading.split() == names.split()
    assert user.index("admin  ") == heading.index("Role")


def test_a_password_that_was_given_is_not_shown(adsum: Commands) -> None:
    shown = adsum.output("user", "add", ADMIN, "--role", "admin", "--password-stdin", stdin="correct horse\n")
    assert "horse" not in shown
    shown = adsum.output("user", "password", ADMIN, stdin="correct mouse\n")
    assert "mouse" not in shown
    assert "Password" in adsum.output("user", "password", ADMIN, "--generate")
    shown = adsum.output("user", "password", ADMIN, "--password-stdin", stdin="correct house\n")
    assert "house" not in shown
    both = adsum.run("user", "password", ADMIN, "--password-stdin", "--generate", stdin="correct house\n")
    assert (both.returncode, "choose --generate or --password-stdin" in both.stderr) == (2, True)


def test_a_teacher_who_is_added_beside_the_roster_is_linked_afterwards(adsum: Commands, sqlite_url: str) -> None:
    async def make_teacher() -> int:
        database = open_database(sqlite_url)
        async with database.transaction() as connection:
            school_id = await make_bare_school(connection)
            await make_user(connection, Role.TEACHER, school_id, source_id="t-1", given_name="Mary")
        await database.close()
        return school_id

    school = str(asyncio.run(make_teacher()))
    add = ("user", "add", "mary@school.example", "--role", "teacher", "--school", school)
    added = adsum.run(*add, "--json")
    assert f"adsum {' '.join(add)} --teacher SOURCEDID" in added.stderr
    linked = adsum.run(*add, "--teacher", "t-1", "--json")
    shown = json.loads(linked.stdout)
    assert (shown["id"], shown["sourcedId"], shown["givenName"]) == (json.loads(added.stdout)["id"], "t-1", "Mary")
    assert linked.stderr == adsum.run("user", "add", "b@school.example", *add[3:]).stderr == ""


def test_every_violation_is_a_line_on_stderr(adsum: Commands) -> None:
    ended = adsum.run("user", "add", "x", "--role", "admin", "--school", "3", "--password-stdin", stdin="short\n")
    assert (ended.returncode, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("adsum: ") for line in lines)


def test_token_create_prints_the_token_and_nothing_else(adsum: Commands) -> None:
    adsum.output("user", "add", ADMIN, "--role", "admin", "--password-stdin", stdin="correct horse\n")
    token = adsum.output("token", "create", ADMIN)
    assert token.count("\n") == 1
    assert token.count(".") == 2
    assert json.loads(adsum.output("token", "create", ADMIN, "--expires", "30m", "--json"))["expiresIn"] == 1800
    for wrong in ("30x", "h", "0h", "367d", "-1h"):
        assert adsum.run("token", "create", ADMIN, "--expires", wrong).returncode == 2


def test_a_token_needs_a_secret_key(sqlite_url: str) -> None:
    adsum = commands(database_url=sqlite_url, secret_key="")
    adsum.output("user", "add", ADMIN, "--role", "admin")
    ended = adsum.run("token", "create", ADMIN)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "ADSUM_SECRET_KEY" in ended.stderr


def test_an_unknown_owner_of_a_key_is_named_with_the_option(adsum: Commands) -> None:
    made = json.loads(adsum.output("key", "create", "prometheus", "--permission", "metrics:read", "--json"))
    owner = ("--owner", "nobody@school.example")
    for refused in (
        adsum.run("key", "create", "platform", "--permission", "roster:read", *owner),
        adsum.run("key", "change", str(made["id"]), *owner),
    ):
        assert refused.returncode == 1
        assert refused.stderr == "adsum: --owner: no enabled user has the email 'nobody@school.example'\n"


def test_keys_are_created_shown_once_and_revoked(adsum: Commands) -> None:
    made = json.loads(adsum.output("key", "create", "prometheus", "--permission", "metrics:read", "--json"))
    secret = made.pop("secret")
    assert (made["permissions"], made["schools"], made["revokedAt"]) == (["metrics:read"], None, None)
    assert json.loads(adsum.output("key", "list", "--json")) == [made]
    assert secret not in adsum.output("key", "list")
    assert json.loads(adsum.output("key", "revoke", str(made["id"]), "--json")) == {"id": made["id"], "revoked": True}
    assert json.loads(adsum.output("key", "list", "--json"))[0]["revokedAt"]
    assert adsum.run("key", "revoke", "99").returncode == 1
    assert adsum.run("key", "create", "x", "--permission", "rocket:launch").returncode == 2
    assert adsum.run("key", "create", "x", "--permission", "batch:read", "--school", "9").returncode == 1


def test_a_role_and_a_school_are_changed(adsum: Commands) -> None:
    adsum.output("user", "add", ADMIN, "--role", "admin")
    adsum.output("user", "add", "second@school.example", "--role", "admin")
    assert adsum.run("user", "role", ADMIN).returncode == 2
    assert adsum.run("user", "role", ADMIN, "--school", "1", "--all-schools").returncode == 2
    refused = adsum.run("user", "role", ADMIN, "viewer")
    assert (refused.returncode, "only an admin may belong to all schools" in refused.stderr) == (1, True)
    assert "there is no school 7" in adsum.run("user", "role", ADMIN, "viewer", "--school", "7").stderr
    kept = json.loads(adsum.output("user", "role", ADMIN, "admin", "--all-schools", "--json"))
    assert (kept["role"], kept["schoolId"]) == ("admin", None)
