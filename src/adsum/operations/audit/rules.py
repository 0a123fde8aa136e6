"""Filters and entries of the audit log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adsum.accounts.audit.rules import Action


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Filters of entries; None does not narrow.

    Attributes:
        since: the earliest time.
        until: the time after the last one.
        action: one kind of action.
        user_id, key_id: who acted, or whom the action is about.
        student_id, school_id: whom the action is about.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: Action | None = None
    user_id: int | None = None
    key_id: int | None = None
    student_id: int | None = None
    school_id: int | None = None


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
    def before(self) -> dict[str, Any] | None:
        """The changed values before."""
        return None if self.before_text is None else json.loads(self.before_text)

    @property
    def after(self) -> dict[str, Any] | None:
        """The changed values after, or the extent of the action."""
        return None if self.after_text is None else json.loads(self.after_text)
