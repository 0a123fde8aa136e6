"""An erasure removes everything that identifies a member of staff; what they recorded stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adsum.accounts.access import Caller, Permission, Role, rights_of
from adsum.accounts.api_keys.ownership import KeyChoice, OwnsKeys
from adsum.accounts.second_factors.rules import FactorKind
from adsum.accounts.second_factors.tables import passkeys, recovery_codes, totp_apps
from adsum.accounts.tables import api_keys, class_covers, class_teachers, identities, sign_ins, users
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.columns import metadata
from adsum.platform.database.tombstones import Erased, was_erased
from adsum.platform.errors import (
    AdsumError,
    ConfirmationNeeded,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from adsum.platform.paging import PageRequest
from adsum.privacy.staff.repository import ANONYMOUS
from adsum.privacy.staff.rules import ErasedUser, LoginData
from adsum.roster.people.rules import LastAdmin, OwnLogin, PersonFilters
from tests.accounts.audit.conftest import entries_of
from tests.privacy.staff.conftest import EMAIL, PASSWORD, SOURCE_ID, SYSTEM, TRACES, Staff
from tests.support.schools import make_bare_school, make_user

# What a row that names a user becomes when the user is erased.
GO, END, STAY, KEYS = "goes", "ends", "stays, with an anonymous author", "are revoked or handed over"
TABLES = {
    "sign_ins.user_id": GO,
    "pending_sign_ins.user_id": GO,
    "identities.user_id": GO,
    "passkeys.user_id": GO,
    "totp_apps.user_id": GO,
    "recovery_codes.user_id": GO,
    "class_teachers.user_id": END,
    "class_covers.user_id": END,
    "api_keys.owner_id": KEYS,
    "class_covers.created_user_id": STAY,
    "attendances.user_id": STAY,
    "attendance_changes.user_id": STAY,
    "contradictions.user_id": STAY,
    "absence_contacts.user_id": STAY,
    "absence_versions.user_id": STAY,
    "batch_runs.user_id": STAY,
    "student_holds.user_id": STAY,
    "student_holds.lifted_user_id": STAY,
    "student_merges.user_id": STAY,
    "desk_entries.user_id": STAY,
    "register_reminders.user_id": STAY,
    "school_changes.user_id": STAY,
    "closed_days.user_id": STAY,
    "webhooks.created_user_id": STAY,
    "audit_entries.user_id": STAY,
    "audit_entries.caller_user_id": STAY,
}
KEPT_COLUMNS = {"id", "school_id", "role", "erased_at"}


def of(role: Role, school_id: int | None, user_id: int = 99) -> Caller:
    rights = rights_of(role, school_id, office_manages_logins=True)
    return Caller(role, rights.permissions, user_id=user_id, schools=rights.schools)


def test_every_column_with_a_user_is_decided_on() -> None:
    """A new one has to be deleted by `erase_person`, or has to show an anonymous author."""
    naming = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if column.name.endswith("user_id") or any(key.column is users.c.id for key in column.foreign_keys)
    }
    assert naming == TABLES.keys()


def test_every_column_of_a_user_is_removed_or_kept_for_a_reason() -> None:
    reset = ANONYMOUS.keys() | {"search_text", "token_generation"}
    assert {column.name for column in users.c} == reset | KEPT_COLUMNS


async def test_everything_that_identifies_a_person_goes(staff: Staff) -> None:
    token = await staff.leave_traces()
    preview = await staff.adsum.staff_erasure.preview(EMAIL.upper(), SYSTEM)
    assert preview.login == LoginData(sign_ins=1, second_factors=2, identities=1, duties=3, answers=0)
    assert (preview.person.email, preview.leaves_tombstone) == (EMAIL, True)
    before = await staff.user()

    assert await staff.adsum.staff_erasure.erase(staff.ada, SYSTEM) == ErasedUser(staff.ada)

    row = await staff.user()
    assert {name: row[name] for name in ANONYMOUS} == ANONYMOUS
    assert (row["search_text"], row["role"], row["school_id"]) == ("", "teacher", staff.school.school_id)
    assert row["token_generation"] > before["token_generation"]
    assert row["erased_at"] is not None
    for table in (sign_ins, identities, passkeys, totp_apps, recovery_codes):
        assert await staff.rows(table, user_id=staff.ada) == [], table.name
    async with staff.database.snapshot() as connection:
        everything = [(await connection.execute(select(table))).all() for table in tables.metadata.sorted_tables]
    assert [trace for trace in TRACES if trace in repr(everything)] == []
    with pytest.raises(Unauthenticated):
        await staff.adsum.tokens.caller_of(token)
    with pytest.raises(Unauthenticated):
        await staff.adsum.accounts.authenticate(EMAIL, PASSWORD)


async def test_assignments_and_covers_end_and_past_ones_stay(staff: Staff) -> None:
    await staff.leave_traces()
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    today = system_clock().date()
    taught = await staff.rows(class_teachers, user_id=staff.ada)
    covered = await staff.rows(class_covers, user_id=staff.ada)
    assert [row["end_date"] for row in (*taught, *covered)] == [today] * 3
    assert {row["source_id"] for row in taught} == {None}


async def test_the_audit_log_names_the_erased_by_id_alone(staff: Staff) -> None:
    await staff.leave_traces()
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    (entry,) = await entries_of(staff.database, "user_erased")
    assert (entry["user_id"], entry["school_id"], entry["after"]) == (
        *(staff.ada, staff.school.school_id, '{"role":"teacher"}'),
    )
    everything = repr(await entries_of(staff.database))
    assert [trace for trace in TRACES if trace in everything] == []


async def test_the_erased_are_found_nowhere_and_their_email_is_free(staff: Staff) -> None:
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    for who in (EMAIL, staff.ada):
        for attempt in (
            staff.adsum.staff_erasure.erase(who, SYSTEM),
            staff.adsum.staff_erasure.preview(who, SYSTEM),
            staff.adsum.people.find(who, SYSTEM),
            staff.adsum.people.change(who, {"disabled": False}, SYSTEM),
        ):
            with pytest.raises(NotFound):
                await attempt
    listed = await staff.adsum.people.page(PersonFilters(staff.school.school_id), SYSTEM, PageRequest())
    assert staff.ada not in {person.row.id for person in listed.items}
    again = await staff.adsum.accounts.add_user(EMAIL, Role.VIEWER, school_id=staff.school.school_id)
    assert again.user.id != staff.ada


@pytest.mark.parametrize(
    ("role", "at_school"),
    [(Role.OFFICE, True), (Role.TEACHER, True), (Role.VIEWER, True), (Role.OPERATOR, True), (Role.OFFICE, False)],
)
async def test_erasing_needs_the_rights_of_an_admin(staff: Staff, role: Role, at_school: bool) -> None:
    async with staff.database.transaction() as connection:
        other = await make_bare_school(connection, name="Parkschule")
    caller = of(role, staff.school.school_id if at_school else other)
    expected = Forbidden if at_school or role is not Role.OFFICE else NotFound
    for attempt in (
        staff.adsum.staff_erasure.erase(staff.ada, caller),
        staff.adsum.staff_erasure.preview(EMAIL, caller),
    ):
        with pytest.raises(expected):
            await attempt
    assert (await staff.user())["email"] == EMAIL


async def test_an_admin_of_a_school_erases_its_staff_and_nobody_with_more_rights(staff: Staff) -> None:
    head = of(Role.ADMIN, staff.school.school_id)
    async with staff.database.transaction() as connection:
        operator = await make_user(connection, Role.OPERATOR, staff.school.school_id)
    with pytest.raises(Forbidden):
        await staff.adsum.staff_erasure.erase(operator, head)
    with pytest.raises(NotFound):
        await staff.adsum.staff_erasure.erase(staff.admin, head)
    assert (await staff.adsum.staff_erasure.erase(staff.ada, head)).user_id == staff.ada


async def test_nobody_erases_themselves_or_the_last_admin_or_unconfirmed(staff: Staff) -> None:
    erasure = staff.adsum.staff_erasure
    own = of(Role.ADMIN, None, user_id=staff.admin)
    unconfirmed = Caller(Role.ADMIN, own.permissions, user_id=99, needs_confirmation=True)
    attempts: list[tuple[int, Caller, type[AdsumError]]] = [
        (staff.admin, own, OwnLogin),
        (staff.admin, SYSTEM, LastAdmin),
        (staff.ada, unconfirmed, ConfirmationNeeded),
    ]
    for who, caller, error in attempts:
        with pytest.raises(error):
            await erasure.erase(who, caller)
    with pytest.raises(OwnLogin):
        await erasure.preview(staff.admin, own)
    await staff.adsum.accounts.add_user("second@district.example", Role.ADMIN)
    assert await erasure.erase(staff.admin, SYSTEM) == ErasedUser(staff.admin)
    with pytest.raises(LastAdmin):
        await erasure.erase("second@district.example", SYSTEM)


async def test_a_person_without_a_login_and_without_a_source_id_is_erased_too(staff: Staff) -> None:
    async with staff.database.transaction() as connection:
        bare = await make_user(connection, Role.TEACHER, staff.school.school_id, given_name="Zyxal")
    assert not (await staff.adsum.staff_erasure.preview(bare, SYSTEM)).leaves_tombstone
    await staff.adsum.staff_erasure.erase(bare, SYSTEM)
    (row,) = await staff.rows(users, id=bare)
    assert (row["given_name"], row["disabled"]) == ("", True)


async def test_a_tombstone_stays_until_the_person_is_readmitted(staff: Staff) -> None:
    school_id = staff.school.school_id

    async def has_tombstone() -> bool:
        async with staff.database.snapshot() as connection:
            return await was_erased(connection, Erased.USER, school_id, SOURCE_ID)

    assert not await has_tombstone()
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    assert await has_tombstone()
    async with staff.database.snapshot() as connection:
        assert not await was_erased(connection, Erased.STUDENT, school_id, SOURCE_ID)
    async with staff.database.transaction() as connection:
        other = await make_bare_school(connection, name="Parkschule")
    refused: list[tuple[int, str, Caller, type[AdsumError]]] = [
        (school_id, SOURCE_ID, of(Role.TEACHER, school_id), Forbidden),
        (school_id, SOURCE_ID, of(Role.OFFICE, school_id), Forbidden),
        (school_id, SOURCE_ID, of(Role.ADMIN, other), Invalid),
        (school_id, "somebody-else", SYSTEM, NotFound),
    ]
    for school, source_id, caller, error in refused:
        with pytest.raises(error):
            await staff.adsum.staff_erasure.readmit(school, source_id, caller)
    await staff.adsum.staff_erasure.readmit(school_id, SOURCE_ID, of(Role.ADMIN, school_id))
    assert not await has_tombstone()
    (entry,) = await entries_of(staff.database, "user_readmitted")
    assert (entry["school_id"], entry["user_id"]) == (school_id, None)


async def test_stored_answers_lose_the_person_and_those_to_them(staff: Staff) -> None:
    warning = {"code": "unknown_class", "params": {"user": SOURCE_ID}, "detail": f"user {SOURCE_ID} teaches nothing"}
    other = {"code": "unknown_class", "params": {"user": "teacher-2"}, "detail": "user teacher-2 teaches nothing"}
    await staff.store_answer("system", "import", {"body": {"warnings": [warning, other]}})
    await staff.store_answer("system", "login", {"body": {"email": EMAIL}})
    for actor in (f"user-{staff.ada}", f"key-7-user-{staff.ada}", f"user-{staff.ada}0"):
        await staff.store_answer(actor, "own", {"body": {"runId": 1}})
    assert (await staff.adsum.staff_erasure.preview(EMAIL, SYSTEM)).login.answers == 2

    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)

    kept = {(row["actor"], row["key"]): row["answer"] for row in await staff.rows(idempotency_keys)}
    assert kept == {
        ("system", "import"): {"body": {"warnings": [other]}},
        (f"user-{staff.ada}0", "own"): {"body": {"runId": 1}},
    }


async def test_an_answer_without_a_value_does_not_name_a_person_without_a_login(staff: Staff) -> None:
    async with staff.database.transaction() as connection:
        unnamed = await make_user(connection, Role.TEACHER, staff.school.school_id, source_id=None)
    await staff.store_answer("system", "import", {"body": {"note": "", "user": "", "none": None}})
    assert (await staff.adsum.staff_erasure.preview(unnamed, SYSTEM)).login.answers == 0


async def test_api_keys_are_revoked_or_handed_over_as_the_caller_says(staff: Staff) -> None:
    erasure = staff.adsum.staff_erasure
    school = [staff.school.school_id]
    made = [
        await staff.adsum.api_keys.create(name, [Permission.ATTENDANCE_READ], school, owner=EMAIL)
        for name in ("registers", "reports")
    ]
    first, second = [each.key.id for each in made]
    assert [key.id for key in (await erasure.preview(EMAIL, SYSTEM)).api_keys] == [first, second]
    with pytest.raises(OwnsKeys) as caught:
        await erasure.erase(EMAIL, SYSTEM)
    assert [violation.params["keyId"] for violation in caught.value.violations] == [first, second]
    for wrong in (
        KeyChoice(revoke=True, new_owner="head@district.example"),
        KeyChoice(new_owner="nobody@school.example"),
        KeyChoice(new_owner=4711),
        KeyChoice(new_owner=EMAIL),
    ):
        with pytest.raises(Invalid) as refused:
            await erasure.erase(EMAIL, SYSTEM, wrong)
        assert [violation.pointer for violation in refused.value.violations] == ["/newOwner"]
    assert (await staff.user())["email"] == EMAIL, "a refused erasure changes nothing"

    erased = await erasure.erase(EMAIL, SYSTEM, KeyChoice(new_owner=staff.admin))

    assert (erased.revoked_key_ids, erased.handed_over_key_ids) == ((), (first, second))
    assert {row["owner_id"] for row in await staff.rows(api_keys)} == {staff.admin}
    assert (await staff.adsum.api_keys.caller_of(made[0].secret)).key_id == first
    changed = await entries_of(staff.database, "key_changed")
    assert [(each["key_id"], each["user_id"]) for each in changed] == [(first, staff.admin), (second, staff.admin)]


async def test_a_revoked_key_stops_at_once_and_keeps_an_anonymous_owner(staff: Staff) -> None:
    made = await staff.adsum.api_keys.create("registers", [Permission.ATTENDANCE_READ], owner=EMAIL)
    erased = await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM, KeyChoice(revoke=True))
    assert (erased.revoked_key_ids, erased.handed_over_key_ids) == ((made.key.id,), ())
    with pytest.raises(Unauthenticated):
        await staff.adsum.api_keys.caller_of(made.secret)
    owner = (await staff.adsum.api_keys.get(made.key.id)).owner
    assert owner is not None
    assert (owner.id, owner.email) == (staff.ada, None)
    assert [each["key_id"] for each in await entries_of(staff.database, "key_revoked")] == [made.key.id]


async def test_keys_beyond_the_rights_of_the_caller_prevent_the_erasure(staff: Staff) -> None:
    head = of(Role.ADMIN, staff.school.school_id)
    without_keys = Caller(Role.ADMIN, head.permissions - {Permission.KEY_MANAGE}, user_id=99, schools=head.schools)
    of_all = await staff.adsum.api_keys.create("sis", [Permission.ROSTER_READ], owner=EMAIL)
    with pytest.raises(Forbidden):
        await staff.adsum.staff_erasure.erase(EMAIL, head, KeyChoice(revoke=True))
    await staff.adsum.api_keys.revoke(of_all.key.id)
    school = [staff.school.school_id]
    await staff.adsum.api_keys.create("metrics", [Permission.METRICS_READ], school, owner=EMAIL)
    with pytest.raises(Forbidden):
        await staff.adsum.staff_erasure.erase(EMAIL, without_keys, KeyChoice(revoke=True))
    with pytest.raises(Forbidden):
        await staff.adsum.staff_erasure.erase(EMAIL, head, KeyChoice(new_owner=staff.admin))
    assert (await staff.user())["email"] == EMAIL
    # A key can be stopped by everybody who sees it.
    assert (await staff.adsum.staff_erasure.erase(EMAIL, head, KeyChoice(revoke=True))).user_id == staff.ada


async def test_a_new_owner_is_of_a_school_that_the_caller_sees(staff: Staff) -> None:
    head = of(Role.ADMIN, staff.school.school_id)
    await staff.adsum.api_keys.create("marks", [Permission.ATTENDANCE_READ], [staff.school.school_id], owner=EMAIL)
    with pytest.raises(Invalid):
        await staff.adsum.staff_erasure.erase(EMAIL, head, KeyChoice(new_owner=staff.admin))
    office = (await staff.adsum.accounts.add_user("o@school.example", Role.OFFICE)).user.id
    erased = await staff.adsum.staff_erasure.erase(EMAIL, head, KeyChoice(new_owner="o@school.example"))
    assert len(erased.handed_over_key_ids) == 1
    assert {row["owner_id"] for row in await staff.rows(api_keys)} == {office}


async def test_requests_under_way_of_the_erased_store_nothing_about_them(staff: Staff) -> None:
    """Their sign-in was checked before the erasure, which they now meet."""
    caller = await staff.adsum.tokens.caller_of((await staff.adsum.tokens.create(EMAIL)).text)
    ada = Caller(Role.ADMIN, rights_of(Role.ADMIN, None).permissions, caller.user_id, sign_in_id=caller.sign_in_id)
    checked = await staff.adsum.accounts.authenticate(EMAIL, PASSWORD)
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    for attempt in (
        staff.adsum.accounts.choose_password(checked, "purple engine moon", ada),
        staff.adsum.second_factors.renew_recovery_codes(ada),
        staff.adsum.second_factors.remove(ada, FactorKind.TOTP, 1),
        staff.adsum.api_keys.create("mine", [Permission.ROSTER_READ], caller=ada),
        staff.adsum.tokens.create(EMAIL, checked=checked),
    ):
        with pytest.raises(Unauthenticated):
            await attempt
    assert (await staff.user())["password_hash"] is None


async def test_no_file_contains_what_identified_an_erased_person(staff: Staff, tmp_path: Path) -> None:
    if staff.database.is_postgres:
        pytest.skip("Postgres has no files of the data folder")
    await staff.leave_traces()
    assert [trace for trace in TRACES if not found_in(tmp_path, trace)] == []
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    assert [found_in(tmp_path, trace) for trace in TRACES] == [[]] * len(TRACES)


async def test_a_log_that_cannot_be_truncated_is_noted(staff: Staff) -> None:
    if staff.database.is_postgres:
        pytest.skip("Postgres truncates no log")
    async with staff.database.snapshot() as reader:
        await reader.execute(select(users))
        assert (await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)).user_id == staff.ada


def found_in(folder: Path, trace: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if trace.encode() in path.read_bytes()]


async def test_a_user_of_no_school_has_no_duties_to_end(staff: Staff) -> None:
    await staff.adsum.accounts.add_user("second@district.example", Role.ADMIN)
    async with staff.database.transaction() as connection:
        await connection.execute(
            insert(class_teachers).values(class_id=staff.school.class_id, user_id=staff.admin, source_id="t-1")
        )
    assert (await staff.adsum.staff_erasure.preview(staff.admin, SYSTEM)).login.duties == 0
    await staff.adsum.staff_erasure.erase(staff.admin, SYSTEM)
    (row,) = await staff.rows(class_teachers, user_id=staff.admin)
    assert row["source_id"] is None
