"""Roles, permissions, and the caller as the services see it."""

from __future__ import annotations

import pytest

from adsum.domain.access import PERMISSIONS, Caller, Permission, Role, system_caller


def of(role: Role) -> Caller:
    return Caller(role, PERMISSIONS[role], user_id=7)


def test_every_role_has_its_permissions() -> None:
    assert PERMISSIONS.keys() == set(Role)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OFFICE, Role.TEACHER])
def test_who_marks_may_mark(role: Role) -> None:
    assert of(role).may(Permission.ATTENDANCE_CREATE)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.KEY])
def test_who_only_looks_may_not_mark(role: Role) -> None:
    assert not of(role).may(Permission.ATTENDANCE_CREATE)


def test_an_operator_sees_batches_and_no_records() -> None:
    assert of(Role.OPERATOR).may(Permission.BATCH_READ)
    assert not of(Role.OPERATOR).may(Permission.ATTENDANCE_READ)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_manages_users_and_keys(role: Role) -> None:
    assert not PERMISSIONS[role] & {Permission.USER_MANAGE, Permission.KEY_MANAGE}


def test_a_key_may_what_it_was_given() -> None:
    key = Caller(Role.KEY, frozenset({Permission.BATCH_READ}), key_id=3)
    assert key.may(Permission.BATCH_READ)
    assert not key.may(Permission.ROSTER_READ)


@pytest.mark.parametrize("role", list(Role))
def test_only_a_teacher_is_confined_to_classes(role: Role) -> None:
    assert of(role).teaches_only == (role is Role.TEACHER)


def test_a_user_and_a_key_of_one_number_are_two_actors() -> None:
    assert of(Role.TEACHER).actor == "user-7"
    assert Caller(Role.KEY, frozenset(), key_id=7).actor == "key-7"
    assert system_caller().actor == "system"


def test_the_system_may_everything_everywhere() -> None:
    system = system_caller()
    assert all(map(system.may, Permission))
    assert (system.schools, system.user_id, system.key_id) == (None, None, None)
