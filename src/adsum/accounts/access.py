"""Permissions, the rights of each role, who may manage whom, and the authenticated caller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from adsum.platform.errors import ConfirmationNeeded, Forbidden


class Permission(StrEnum):
    """The permissions, as the API and `key create --permission` name them."""

    ATTENDANCE_CREATE = "attendance:create"
    ATTENDANCE_READ = "attendance:read"
    ATTENDANCE_OVERRULE = "attendance:overrule"
    # For API keys only: a request on behalf of a person. Only the command line grants it.
    ATTENDANCE_ACT_AS = "attendance:act-as"
    BATCH_READ = "batch:read"
    BATCH_OPERATE = "batch:operate"
    ROSTER_READ = "roster:read"
    ROSTER_IMPORT = "roster:import"
    SCHOOL_MANAGE = "school:manage"
    STUDENT_DATA = "student:data"
    USER_MANAGE = "user:manage"
    KEY_MANAGE = "key:manage"
    METRICS_READ = "metrics:read"
    AUDIT_READ = "audit:read"
    EVENT_READ = "event:read"
    WEBHOOK_MANAGE = "webhook:manage"


class Role(StrEnum):
    """An admin without a school is an admin of the district, and belongs to all schools. An admin of one school, and a
    user of any other role, belongs to that school. `KEY` is the role of API keys.
    """

    ADMIN = "admin"
    OFFICE = "office"
    TEACHER = "teacher"
    VIEWER = "viewer"
    OPERATOR = "operator"
    KEY = "key"


_P = Permission
_TEACHING = frozenset({_P.ATTENDANCE_CREATE, _P.ATTENDANCE_READ, _P.BATCH_READ, _P.BATCH_OPERATE, _P.ROSTER_READ})
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission) - {_P.ATTENDANCE_ACT_AS},
    Role.OFFICE: _TEACHING | {_P.ATTENDANCE_OVERRULE, _P.ROSTER_IMPORT, _P.SCHOOL_MANAGE, _P.STUDENT_DATA},
    Role.TEACHER: _TEACHING,
    Role.VIEWER: frozenset({_P.ATTENDANCE_READ, _P.BATCH_READ, _P.ROSTER_READ}),
    Role.OPERATOR: frozenset({_P.BATCH_READ, _P.BATCH_OPERATE, _P.METRICS_READ}),
    Role.KEY: frozenset(),
}
"""The permissions of each role; of an admin, those of an admin of the district."""

_OF_INSTALLATION = frozenset({_P.METRICS_READ})
_OF_SCHOOL_ADMIN = PERMISSIONS[Role.ADMIN] - _OF_INSTALLATION
_OF_MANAGING_OFFICE = PERMISSIONS[Role.OFFICE] | {_P.USER_MANAGE}
# The logins that an office manages, if its school lets it.
_MANAGED_BY_OFFICE = frozenset({Role.TEACHER, Role.VIEWER})


@dataclass(frozen=True, slots=True)
class Rights:
    """The permissions of a user, and the schools in which they hold; None: all schools."""

    permissions: frozenset[Permission]
    schools: frozenset[int] | None


def rights_of(role: Role, school_id: int | None, *, office_manages_logins: bool = False) -> Rights:
    """The rights of a user.

    Args:
        role: of the user.
        school_id: of the user; None: an admin of the district.
        office_manages_logins: the setting of the school.
    """
    if role is Role.ADMIN and school_id is None:
        return Rights(PERMISSIONS[role], None)
    permissions = PERMISSIONS[role]
    if role is Role.ADMIN:
        permissions = _OF_SCHOOL_ADMIN
    elif role is Role.OFFICE and office_manages_logins:
        permissions = _OF_MANAGING_OFFICE
    return Rights(permissions, frozenset() if school_id is None else frozenset({school_id}))


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated user or API key of a request.

    Attributes:
        user_id: the user; None for an API key on its own behalf.
        key_id: the API key; None for a user without one.
        role: stored with the records that the caller makes.
        permissions: of the caller.
        schools: ids of the visible schools; None: all schools.
        sign_in_id: the sign-in of a user's token; None: an API key, or the system.
        needs_confirmation: whether the sign-in was confirmed too long ago for critical actions. Never of API keys,
            whose permissions are explicit, or of the command line.
        lacks_second_factor: whether no second factor was given in the sign-in, as after single sign-on. Never of API
            keys or of the command line.
    """

    role: Role
    permissions: frozenset[Permission]
    user_id: int | None = None
    key_id: int | None = None
    schools: frozenset[int] | None = None
    sign_in_id: int | None = None
    needs_confirmation: bool = False
    lacks_second_factor: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def may_grant(self, permissions: Collection[Permission], schools: Collection[int] | None) -> bool:
        """Whether the caller has all of these permissions in all of these schools, so that they may give them to a user
        or a key. `schools` None: all schools.
        """
        sees_schools = self.schools is None or (schools is not None and self.schools.issuperset(schools))
        return sees_schools and self.permissions.issuperset(permissions)

    @property
    def overrules(self) -> bool:
        """Whether the caller has the rights of the office: their marks take precedence, they may record after the edit
        window with a reason, and they read and write the office's notes.
        """
        return self.may(Permission.ATTENDANCE_OVERRULE)

    @property
    def teaches_only(self) -> bool:
        """Whether the caller sees only classes that are assigned to them: see `visibility`."""
        return self.role is Role.TEACHER

    @property
    def actor(self) -> str:
        """The scope of the caller's idempotency keys. Contains no personal data."""
        ids = {"key": self.key_id, "user": self.user_id}
        return "-".join(f"{kind}-{number}" for kind, number in ids.items() if number is not None) or "system"

    def on_behalf_of(self, person: Caller) -> Caller:
        """This API key on behalf of a person: in their role, with the permissions and schools that both have."""
        return replace(
            person,
            permissions=self.permissions & person.permissions,
            key_id=self.key_id,
            schools=_intersection(self.schools, person.schools),
        )


def _intersection(schools: frozenset[int] | None, others: frozenset[int] | None) -> frozenset[int] | None:
    if schools is None or others is None:
        return others if schools is None else schools
    return schools & others


def system_caller() -> Caller:
    """The caller of the command line and the library: an admin who may also let API keys act for people."""
    return Caller(role=Role.ADMIN, permissions=frozenset(Permission))


def require_permission(caller: Caller, permission: Permission) -> None:
    """Raises Forbidden if the caller lacks the permission. Every public method of a service calls it first."""
    if not caller.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}", permission=permission.value)


def require_confirmed(caller: Caller, *, by_factor: bool = False) -> None:
    """Raises ConfirmationNeeded before a critical action if the caller's sign-in was confirmed too long ago.

    Methods of services call it after `require_permission`.

    Args:
        caller: of the action.
        by_factor: whether a second factor must have been given in the sign-in or its confirmation, too: what replaces
            the factors or the password of a user who has factors cannot be done without one.
    """
    if caller.needs_confirmation or (by_factor and caller.lacks_second_factor):
        detail = "confirm first that it is you, with POST /auth/confirm"
        raise ConfirmationNeeded(detail)


def may_manage(caller: Caller, role: Role, school_id: int | None) -> bool:
    """Whether the caller may give this role at this school, take it, and manage the logins that have it.

    Nobody gives a right that they lack, or manages somebody who has one. An office manages teachers and viewers only.
    """
    is_below = caller.role is not Role.OFFICE or role in _MANAGED_BY_OFFICE
    rights = rights_of(role, school_id)
    return caller.may(Permission.USER_MANAGE) and is_below and caller.may_grant(rights.permissions, rights.schools)


def may_erase(caller: Caller, role: Role, school_id: int | None) -> bool:
    """Whether the caller may erase somebody with this role at this school. An office that manages logins may not."""
    return caller.role is not Role.OFFICE and may_manage(caller, role, school_id)


def require_may_manage(caller: Caller, role: Role, school_id: int | None) -> None:
    """Raises Forbidden: the caller lacks `user:manage`, or may not manage this role at this school."""
    require_permission(caller, Permission.USER_MANAGE)
    if not may_manage(caller, role, school_id):
        raise Forbidden(f"the role {role.value} can do what you may not", role=role.value)


def require_may_erase(caller: Caller, role: Role, school_id: int | None) -> None:
    """Raises Forbidden: the caller may not manage this role at this school, or is an office."""
    require_may_manage(caller, role, school_id)
    if not may_erase(caller, role, school_id):
        raise Forbidden("only an admin erases staff", role=role.value)
