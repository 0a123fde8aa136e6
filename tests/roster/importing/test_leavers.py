"""Teachers who leave: their login and their sign-ins end with the import, and come back with one that lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import update

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role
from adsum.accounts.callers import Impersonation
from adsum.accounts.repository import users_with_email
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.errors import Unauthenticated
from adsum.platform.keys import KeyRing
from adsum.roster.importing.service import ImportRefused
from adsum.roster.people.repository import set_rights
from tests.roster.conftest import Importing, counts
from tests.roster.files import Roster, a_class, a_school, a_school_of_1_2, enrolment, manifest, role_of, user

ADA = "teacher-1"
KEY = Caller(Role.KEY, PERMISSIONS[Role.TEACHER] | {Permission.ATTENDANCE_ACT_AS}, key_id=1)


@dataclass(frozen=True)
class Logins:
    """Logins and tokens of the teachers of a roster, by `{source id}.{school}`."""

    importing: Importing
    tokens: Tokens
    texts: dict[str, str]

    async def are_signed_in(self) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for name, text in self.texts.items():
            try:
                await self.tokens.caller_of(text)
            except Unauthenticated:
                found[name] = False
            else:
                found[name] = True
        return found

    async def are_enabled(self) -> dict[str, bool]:
        async with self.importing.database.snapshot() as connection:
            return {(user.email or "").split("@")[0]: not user.disabled for user in await users_with_email(connection)}


async def logins_of(importing: Importing) -> Logins:
    """Gives each teacher a login, and signs them in."""
    schools = {row["id"]: row["source_id"] for row in await importing.rows(tables.schools)}
    tokens = Tokens(importing.database, KeyRing.of("k" * 40), system_clock, timedelta(hours=1))
    texts: dict[str, str] = {}
    for row in await importing.rows(tables.users):
        name = f"{row['source_id']}.{schools[row['school_id']]}"
        async with importing.database.transaction() as connection:
            values = {"email": f"{name}@school.example", "password_hash": "-"}
            await connection.execute(update(tables.users).where(tables.users.c.id == row["id"]).values(values))
        texts[name] = (await tokens.create(f"{name}@school.example")).text
    return Logins(importing, tokens, texts)


def two_schools() -> Roster:
    """A district: Ada has both schools as her orgs, Bob teaches at both by enrolments, Cid is of the first school."""
    roster = a_school()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school", status="active")
    roster.tables["classes"].append(a_class("class-2", school="school-2"))
    roster.row("users", ADA)["orgSourcedIds"] = "school-1,school-2"
    roster.tables["users"] += [user("bob", "teacher", "Bob", "B"), user("cid", "teacher", "Cid", "C")]
    roster.tables["enrollments"] += [
        enrolment("class-1", "bob", role="teacher"),
        enrolment("class-2", "bob", role="teacher", school="school-2"),
    ]
    return roster


def delta(**rows: list[dict[str, str]]) -> Roster:
    return Roster(rows, modes=dict.fromkeys(rows, "delta"))


def drop_ada(roster: Roster) -> Roster:
    roster.drop("users", ADA)
    roster.tables["enrollments"] = [row for row in roster.tables["enrollments"] if row["userSourcedId"] != ADA]
    return roster


def delete_ada(roster: Roster) -> Roster:
    roster.row("users", ADA)["status"] = "tobedeleted"
    return roster


def delete_ada_in_a_delta(roster: Roster) -> Roster:
    return delta(users=[delete_ada(roster).row("users", ADA)])


def disable_ada(roster: Roster) -> Roster:
    roster.row("users", ADA)["enabledUser"] = "false"
    return roster


@pytest.mark.parametrize("leave", [drop_ada, delete_ada, delete_ada_in_a_delta, disable_ada])
async def test_a_leaver_is_signed_out_by_the_import_and_comes_back_with_a_later_one(
    importing: Importing, leave: Callable[[Roster], Roster]
) -> None:
    await importing.run(a_school())
    logins = await logins_of(importing)
    name = f"{ADA}.school-1"
    assert await Impersonation(importing.database, system_clock).on_behalf_of(KEY, f"{name}@school.example") is not None

    await importing.run(leave(a_school()), dry_run=True)
    assert await logins.are_signed_in() == {name: True}
    await importing.run(leave(a_school()))

    assert (await logins.are_signed_in(), await logins.are_enabled()) == ({name: False}, {name: False})
    assert await Impersonation(importing.database, system_clock).on_behalf_of(KEY, f"{name}@school.example") is None
    assert (await importing.run(leave(a_school()))).changes_nothing

    roster = a_school()
    roster.row("users", ADA)["enabledUser"] = "true"
    await importing.run(roster)
    assert (await logins.are_signed_in(), await logins.are_enabled()) == ({name: False}, {name: True})
    assert (await logins.tokens.create(f"{name}@school.example")).text


async def test_the_import_counts_leavers_as_ended_and_returners_as_changed(importing: Importing) -> None:
    await importing.run(a_school())
    assert counts(await importing.run(drop_ada(a_school())))["teachers"] == (0, 0, 1, 0)
    assert counts(await importing.run(a_school()))["teachers"] == (0, 1, 0, 0)


async def test_a_teacher_whose_row_cannot_be_read_does_not_leave(importing: Importing) -> None:
    await importing.run(a_school())
    logins = await logins_of(importing)
    roster = a_school()
    roster.row("users", ADA)["givenName"] = ""
    roster.row("users", ADA)["status"] = "perhaps"
    assert (await importing.run(roster)).violation_count
    assert await logins.are_signed_in() == {f"{ADA}.school-1": True}


async def test_an_admin_decides_until_the_next_file(importing: Importing) -> None:
    await importing.run(a_school())
    logins = await logins_of(importing)
    (row,) = await importing.rows(tables.users)
    await importing.run(drop_ada(a_school()))
    for disabled in (False, True):
        async with importing.database.transaction() as connection:
            await set_rights(connection, row["id"], {"disabled": disabled})
        assert await logins.are_enabled() == {f"{ADA}.school-1": not disabled}
    await importing.run(a_school())
    assert await logins.are_enabled() == {f"{ADA}.school-1": False}, (
        "a roster enables nobody whom an admin has disabled"
    )


async def test_a_login_that_is_not_of_the_roster_is_not_ended_by_it(importing: Importing) -> None:
    await importing.run(a_school())
    logins = await logins_of(importing)
    async with importing.database.transaction() as connection:
        await connection.execute(update(tables.users).values(role="admin"))
    await importing.run(drop_ada(a_school()))
    assert await logins.are_signed_in() == {f"{ADA}.school-1": True}


async def test_a_teacher_of_several_schools_leaves_one_of_them(importing: Importing) -> None:
    await importing.run(two_schools())
    logins = await logins_of(importing)
    assert set(logins.texts) == {f"{ADA}.school-1", f"{ADA}.school-2", "bob.school-1", "bob.school-2", "cid.school-1"}

    roster = two_schools()
    roster.row("users", ADA)["orgSourcedIds"] = "school-2"
    roster.tables["enrollments"] = [
        row for row in roster.tables["enrollments"] if row["userSourcedId"] != ADA and row["sourcedId"] != "class-2-bob"
    ]
    await importing.run(roster)
    left = {name for name, is_signed_in in (await logins.are_signed_in()).items() if not is_signed_in}
    assert left == {f"{ADA}.school-1", "bob.school-2"}
    assert (await importing.run(roster)).changes_nothing


async def test_a_delta_ends_a_teacher_at_one_school_only(importing: Importing) -> None:
    await importing.run(two_schools())
    logins = await logins_of(importing)
    ada = two_schools().row("users", ADA)
    rows = [{**ada, "status": "tobedeleted", "orgSourcedIds": "school-1"}, {**ada, "orgSourcedIds": "school-2"}]
    files = delta(users=rows)
    # The enrolment has ended, too; otherwise she would teach at the first school.
    files.tables["enrollments"] = [{**two_schools().row("enrollments", f"class-1-{ADA}"), "status": "tobedeleted"}]
    files.modes["enrollments"] = "delta"
    assert (await importing.run(files)).violations == ()
    left = {name for name, is_signed_in in (await logins.are_signed_in()).items() if not is_signed_in}
    assert left == {f"{ADA}.school-1"}
    # An old enrolment without a row of hers does not bring her back.
    again = delta(enrollments=[enrolment("class-1", ADA, role="teacher", end="2024-09-30")])
    await importing.run(again)
    assert (await logins.are_enabled())[f"{ADA}.school-1"] is False


@pytest.mark.parametrize("mode", ["bulk", "delta"])
async def test_the_end_of_a_role_of_version_1_2_ends_the_login_at_this_school(importing: Importing, mode: str) -> None:
    roster = a_school_of_1_2()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school", status="active")
    roster.tables["roles"].append(role_of(ADA, "teacher", "school-2", "secondary"))
    for row in roster.tables["roles"]:
        row["endDate"] = ""
    await importing.run(roster)
    logins = await logins_of(importing)

    roster.tables["enrollments"] = [row for row in roster.tables["enrollments"] if row["userSourcedId"] != ADA]
    ended = roster.row("roles", f"role-{ADA}-teacher-school-1")
    ended["endDate"] = (importing.today - timedelta(days=1)).isoformat()
    roster.row("users", ADA)["primaryOrgSourcedId"] = "school-2"
    if mode == "delta":
        old = {**enrolment("class-1", ADA, role="teacher"), "status": "tobedeleted"}
        rows = {"users": [roster.row("users", ADA)], "roles": [ended], "enrollments": [old]}
        rows["roles"].append(roster.row("roles", f"role-{ADA}-teacher-school-2"))
        roster = Roster(rows, modes=dict.fromkeys(rows, "delta"), version="1.2")
    assert (await importing.run(roster)).violations == ()
    assert await logins.are_signed_in() == {f"{ADA}.school-1": False, f"{ADA}.school-2": True}


async def test_the_teachers_of_a_deleted_school_leave(importing: Importing) -> None:
    await importing.run(two_schools())
    logins = await logins_of(importing)
    await importing.run(
        delta(orgs=[{**two_schools().row("orgs", "school-2"), "status": "tobedeleted"}]), allow_removals=True
    )
    left = {name for name, is_signed_in in (await logins.are_signed_in()).items() if not is_signed_in}
    assert left == {f"{ADA}.school-2", "bob.school-2"}


async def test_a_teacher_without_open_enrolments_stays_enabled(importing: Importing) -> None:
    """In summer: the old enrolments have ended, the new ones are not there yet."""
    await importing.run(a_school())
    logins = await logins_of(importing)
    importing.today = date(2025, 7, 30)
    roster = a_school()
    for row in roster.tables["enrollments"]:
        row["endDate"] = "2025-07-15"
    await importing.run(roster, allow_removals=True)
    assert await logins.are_signed_in() == {f"{ADA}.school-1": True}


@pytest.mark.parametrize(
    ("teachers", "leavers", "refused"), [(1, 1, False), (3, 2, False), (3, 3, True), (8, 4, False), (8, 5, True)]
)
async def test_a_file_without_most_teachers_stops(
    importing: Importing, teachers: int, leavers: int, refused: bool
) -> None:
    def staffed(numbers: range) -> Roster:
        roster = a_school()
        roster.tables["users"] += [user(f"staff-{number}", "teacher", "A", "B") for number in numbers]
        return roster

    await importing.run(staffed(range(1, teachers)))
    roster = staffed(range(leavers, teachers))
    drop_ada(roster)
    if refused:
        with pytest.raises(ImportRefused) as refusal:
            await importing.run(roster)
        (violation,) = refusal.value.violations
        params = {"file": "users.csv", "table": "teachers", "ended": leavers, "active": teachers}
        assert (violation.code, violation.params) == ("too_many_removals", params)
        assert "50 %" in violation.detail
    report = await importing.run(roster, allow_removals=refused)
    assert counts(report)["teachers"][2] == leavers


async def test_a_users_file_alone_keeps_teachers_who_teach_elsewhere(importing: Importing) -> None:
    await importing.run(two_schools())
    logins = await logins_of(importing)
    roster = two_schools()
    files = {name: content for name, content in roster.files().items() if name in {"orgs.csv", "users.csv"}}
    await importing.run({**files, "manifest.csv": manifest({"orgs": "bulk", "users": "bulk"})})
    assert all((await logins.are_signed_in()).values())
