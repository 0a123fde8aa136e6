"""Who may do what: an enum of permissions, a map of roles, and the caller as the services see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from adsum.platform.errors import Forbidden


class Permission(StrEnum):
    """What a caller may do; the names are those of the API and of `key create --permission`."""

    ATTENDANCE_CREATE = "attendance:create"
    ATTENDANCE_READ = "attendance:read"
    ATTENDANCE_OVERRULE = "attendance:overrule"
    # For keys alone: a person acts for nobody but themselves.
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


class Role(StrEnum):
    """`ADMIN` is of all schools, every other role of one. `KEY` is what an API key acts in; no user has it."""

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, already authenticated.

    Attributes:
        user_id: of a person, or None for an API key that acts for nobody.
        key_id: of an API key, or None for a person who is asking themselves.
        role: in which the caller acts; it is stored with what they record.
        permissions: what the caller may do.
        schools: ids of the schools that the caller is confined to; None: every school.
    """

    role: Role
    permissions: frozenset[Permission]
    user_id: int | None = None
    key_id: int | None = None
    schools: frozenset[int] | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    @property
    def overrules(self) -> bool:
        """Whether the caller has the last word on a mark, as the office has."""
        return self.may(Permission.ATTENDANCE_OVERRULE)

    @property
    def teaches_only(self) -> bool:
        """Whether the caller sees no more than the classes that they teach."""
        return self.role is Role.TEACHER

    @property
    def actor(self) -> str:
        """A name for the caller that holds nothing personal: the scope of its idempotency keys."""
        numbers = {"key": self.key_id, "user": self.user_id}
        return "-".join(f"{kind}-{number}" for kind, number in numbers.items() if number is not None) or "system"

    def on_behalf_of(self, person: Caller) -> Caller:
        """This key in the name of a person: in their role, and with no right that either of them lacks."""
        return replace(
            person,
            permissions=self.permissions & person.permissions,
            key_id=self.key_id,
            schools=_both(self.schools, person.schools),
        )


def _both(schools: frozenset[int] | None, others: frozenset[int] | None) -> frozenset[int] | None:
    if schools is None or others is None:
        return others if schools is None else schools
    return schools & others


def system_caller() -> Caller:
    """The one that acts for whoever has the servers' own credentials: the command line and the library."""
    return Caller(role=Role.ADMIN, permissions=PERMISSIONS[Role.ADMIN])


def require_permission(caller: Caller, permission: Permission) -> None:
    """Raises Forbidden unless the caller has the permission. Every public method of a service calls it first."""
    if not caller.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}", permission=permission.value)
