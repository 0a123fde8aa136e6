"""Filters and entries of the audit log, and the areas of its actions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from adsum.accounts.audit.rules import SYSTEM, Action


class Area(StrEnum):
    """Groups of actions, in the order in which the page offers them."""

    SIGN_INS = "sign_ins"
    SECOND_FACTORS = "second_factors"
    LOGINS = "logins"
    KEYS = "keys"
    SCHOOLS = "schools"
    IMPORTS = "imports"
    EXPORTS = "exports"
    STUDENTS = "students"
    INSTALLATION = "installation"


ACTIONS: dict[Area, tuple[Action, ...]] = {
    Area.SIGN_INS: (
        Action.SIGNED_IN,
        Action.SIGN_IN_FAILED,
        Action.SIGNED_OUT,
        Action.SIGN_INS_ENDED,
        Action.SIGN_IN_CONFIRMED,
        Action.FIRST_PASSWORD_USED,
        Action.PASSWORD_CHANGED,
        Action.PASSWORD_RESET,
    ),
    Area.SECOND_FACTORS: (
        Action.SECOND_FACTOR_ADDED,
        Action.SECOND_FACTOR_REMOVED,
        Action.SECOND_FACTORS_RESET,
        Action.RECOVERY_CODES_RENEWED,
        Action.RECOVERY_CODE_USED,
    ),
    Area.LOGINS: (
        Action.USER_ADDED,
        Action.USER_LINKED,
        Action.USER_ROLE_CHANGED,
        Action.USER_DISABLED,
        Action.USER_ENABLED,
        Action.USER_UNLOCKED,
        Action.USER_RENAMED,
        Action.USER_ERASED,
        Action.USER_READMITTED,
        Action.IDENTITY_INVITED,
        Action.IDENTITY_CONNECTED,
        Action.IDENTITY_DISCONNECTED,
    ),
    Area.KEYS: (
        Action.KEY_CREATED,
        Action.KEY_CHANGED,
        Action.KEY_ROTATED,
        Action.KEY_REVOKED,
        Action.KEY_ACTED_FOR_USER,
        Action.WEBHOOK_CREATED,
        Action.WEBHOOK_CHANGED,
        Action.WEBHOOK_ROTATED,
        Action.WEBHOOK_TESTED,
        Action.WEBHOOK_DELETED,
        Action.WEBHOOK_REPLAYED,
    ),
    Area.SCHOOLS: (
        Action.SCHOOL_CHANGED,
        Action.CALENDAR_CHANGED,
        Action.STATUSES_CHANGED,
        Action.TIMETABLE_CHANGED,
        Action.COVER_ADDED,
        Action.COVER_ENDED,
        Action.RETENTION_CHANGED,
    ),
    Area.IMPORTS: (Action.ROSTER_IMPORTED, Action.MARKS_IMPORTED),
    Area.EXPORTS: (
        Action.LIST_EXPORTED,
        Action.STUDENT_EXPORTED,
        Action.STUDENT_READ,
        Action.YEAR_ARCHIVED,
        Action.LOG_EXPORTED,
    ),
    Area.STUDENTS: (
        Action.STUDENT_ERASED,
        Action.STUDENT_READMITTED,
        Action.STUDENTS_MERGED,
        Action.HOLD_PLACED,
        Action.HOLD_LIFTED,
        Action.RETENTION_RUN,
        Action.YEAR_DROPPED,
    ),
    Area.INSTALLATION: (
        Action.SIGNING_KEY_ROTATED,
        Action.QUEUE_PAUSED,
        Action.QUEUE_RESUMED,
        Action.BACKUP_MADE,
        Action.BACKUP_RESTORED,
        Action.LOG_PRUNED,
        Action.LOG_SIGNED_AGAIN,
        Action.RECORDS_PARTITIONED,
    ),
}
"""The actions of each area. Each action has one."""


@dataclass(frozen=True, slots=True)
class Parties:
    """People, API keys and students, by sorted ids; `system`: the command line, and Adsum itself."""

    people: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()
    students: tuple[int, ...] = ()
    system: bool = False


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Filters of entries; None does not narrow.

    Attributes:
        since: the earliest time.
        until: the time after the last one.
        actions: kinds of actions; empty: all.
        user_id, key_id: who acted, or whom the action is about.
        student_id, school_id: whom the action is about.
        by: one of these has acted.
        about: the action is about one of these.
    """

    since: datetime | None = None
    until: datetime | None = None
    actions: tuple[Action, ...] = ()
    user_id: int | None = None
    key_id: int | None = None
    student_id: int | None = None
    school_id: int | None = None
    by: Parties | None = None
    about: Parties | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. `position` and `hash` are None until it is sealed. `before_text`, `after_text`: JSON."""

    id: int
    position: int | None
    hash: str | None
    created_at: datetime
    action: str
    caller_role: str | None
    caller_user_id: int | None
    caller_key_id: int | None
    os_user: str | None
    address: str | None
    request_id: str | None
    agent: str | None
    school_id: int | None
    student_id: int | None
    user_id: int | None
    key_id: int | None
    before_text: str | None
    after_text: str | None

    @property
    def area(self) -> Area | None:
        """The area of the action; None: a later version has recorded it."""
        return next((area for area, actions in ACTIONS.items() if self.action in actions), None)

    @property
    def is_by_system(self) -> bool:
        """Whether the command line, or Adsum itself, has acted."""
        return self.caller_role == SYSTEM

    @property
    def people(self) -> set[int]:
        """The users who acted, and whom the action is about; the owners of keys."""
        owners = (each.get("ownerId") for each in (self.before or {}, self.after or {}))
        return {each for each in (self.caller_user_id, self.user_id, *owners) if each is not None}

    @property
    def before(self) -> dict[str, Any] | None:
        """The changed values before."""
        return None if self.before_text is None else json.loads(self.before_text)

    @property
    def after(self) -> dict[str, Any] | None:
        """The changed values after, or the extent of the action."""
        return None if self.after_text is None else json.loads(self.after_text)
