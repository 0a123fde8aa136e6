"""Roles, permissions, and callers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role, system_caller


def of(role: Role) -> Caller:
    return Caller(role, PERMISSIONS[role], user_id=7)


def test_every_role_has_its_permissions() -> None:
    assert PERMISSIONS.keys() == set(Role)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OFFICE, Role.TEACHER])
def test_teachers_and_the_office_may_mark(role: Role) -> None:
    assert of(role).may(Permission.ATTENDANCE_CREATE)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.KEY])
def test_a_viewer_may_not_mark(role: Role) -> None:
    assert not of(role).may(Permission.ATTENDANCE_CREATE)


def test_an_operator_sees_batches_and_no_records() -> None:
    assert of(Role.OPERATOR).may(Permission.BATCH_READ)
    assert not of(Role.OPERATOR).may(Permission.ATTENDANCE_READ)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_manages_users_and_keys(role: Role) -> None:
    assert not PERMISSIONS[role] & {Permission.USER_MANAGE, Permission.KEY_MANAGE}


def test_a_key_has_only_its_own_permissions() -> None:
    key = Caller(Role.KEY, frozenset({Permission.BATCH_READ}), key_id=3)
    assert key.may(Permission.BATCH_READ)
    assert not key.may(Permission.ROSTER_READ)


@pytest.mark.parametrize(
    ("permissions", "schools", "may_grant"),
    [
        ({Permission.BATCH_READ}, {1}, True),
        ({Permission.BATCH_READ}, {1, 2}, True),
        ({Permission.BATCH_READ}, (), True),
        ({Permission.BATCH_READ, Permission.ROSTER_READ}, {1}, False),
        ({Permission.BATCH_READ}, {1, 3}, False),
        ({Permission.BATCH_READ}, None, False),
    ],
)
def test_a_caller_grants_only_their_permissions_in_their_schools(
    permissions: set[Permission], schools: set[int] | None, may_grant: bool
) -> None:
    caller = Caller(Role.OFFICE, frozenset({Permission.BATCH_READ}), user_id=7, schools=frozenset({1, 2}))
    assert caller.may_grant(permissions, schools) is may_grant


def test_a_caller_of_all_schools_grants_in_all_schools() -> None:
    caller = of(Role.ADMIN)
    assert caller.may_grant([Permission.BATCH_READ], None)
    assert caller.may_grant([Permission.BATCH_READ], [9])
    assert not caller.may_grant([Permission.ATTENDANCE_ACT_AS], [9])


@pytest.mark.parametrize("role", list(Role))
def test_only_teachers_are_restricted_to_classes(role: Role) -> None:
    assert of(role).teaches_only == (role is Role.TEACHER)


def test_a_user_and_a_key_of_one_number_are_two_actors() -> None:
    assert of(Role.TEACHER).actor == "user-7"
    assert Caller(Role.KEY, frozenset(), key_id=7).actor == "key-7"
    assert system_caller().actor == "system"


@pytest.mark.parametrize("role", list(Role))
def test_no_role_may_act_on_behalf_of_others(role: Role) -> None:
    assert not of(role).may(Permission.ATTENDANCE_ACT_AS)


def test_a_key_on_behalf_of_a_person_has_the_permissions_of_both() -> None:
    may = frozenset({Permission.ATTENDANCE_ACT_AS, Permission.ATTENDANCE_CREATE, Permission.STUDENT_DATA})
    key = Caller(Role.KEY, may, key_id=3, schools=frozenset({1, 2}))
    teacher = Caller(Role.TEACHER, PERMISSIONS[Role.TEACHER], user_id=7, schools=frozenset({2}))

    acting = key.on_behalf_of(teacher)

    assert (acting.role, acting.user_id, acting.key_id) == (Role.TEACHER, 7, 3)
    assert acting.permissions == {Permission.ATTENDANCE_CREATE}
    assert acting.schools == {2}
    assert acting.actor == "key-3-user-7"
    assert len({acting.actor, key.actor, teacher.actor, replace(acting, user_id=8).actor}) == 4


def test_a_key_on_behalf_of_a_person_has_the_schools_of_both() -> None:
    admin = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN], user_id=7)
    of_one = Caller(Role.KEY, frozenset(), key_id=3, schools=frozenset({1}))
    of_all = Caller(Role.KEY, frozenset(), key_id=3)

    assert of_one.on_behalf_of(admin).schools == {1}
    assert of_all.on_behalf_of(admin).schools is None
    assert of_all.on_behalf_of(replace(admin, schools=frozenset({2}))).schools == {2}


def test_the_system_caller_has_all_permissions_in_all_schools() -> None:
    system = system_caller()
    assert system.permissions == set(Permission)
    assert (system.schools, system.user_id, system.key_id) == (None, None, None)
