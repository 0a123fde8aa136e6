"""The actions that the audit log records, and the details of an entry."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias, cast

Details: TypeAlias = Mapping[str, Any]
"""The values that an action has changed, by the names of the API: ids, codes, days, counts and digests.

It must not contain names, emails, secrets, tokens or free texts: entries outlive the people that they are about.
"""

MAX_DETAILS = 20_000
# Of a longer list an entry has the number and a digest: a key may have thousands of schools.
MAX_LISTED = 100
SYSTEM = "system"
"""The role of the command line and the library in entries."""


class Action(StrEnum):
    """The recorded actions, as the API names them."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SIGN_INS_ENDED = "sign_ins_ended"
    FIRST_PASSWORD_USED = "first_password_used"  # noqa: S105 - no password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - no password
    PASSWORD_RESET = "password_reset"  # noqa: S105 - no password
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTORS_RESET = "second_factors_reset"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    RECOVERY_CODE_USED = "recovery_code_used"
    SIGN_IN_CONFIRMED = "sign_in_confirmed"
    USER_ADDED = "user_added"
    USER_LINKED = "user_linked"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    USER_UNLOCKED = "user_unlocked"
    USER_ROLE_CHANGED = "user_role_changed"
    USER_RENAMED = "user_renamed"
    USER_ERASED = "user_erased"
    USER_READMITTED = "user_readmitted"
    IDENTITY_INVITED = "identity_invited"
    IDENTITY_CONNECTED = "identity_connected"
    IDENTITY_DISCONNECTED = "identity_disconnected"
    KEY_CREATED = "key_created"
    KEY_CHANGED = "key_changed"
    KEY_ROTATED = "key_rotated"
    KEY_REVOKED = "key_revoked"
    KEY_ACTED_FOR_USER = "key_acted_for_user"
    SCHOOL_CHANGED = "school_changed"
    CALENDAR_CHANGED = "calendar_changed"
    STATUSES_CHANGED = "statuses_changed"
    TIMETABLE_CHANGED = "timetable_changed"
    COVER_ADDED = "cover_added"
    COVER_ENDED = "cover_ended"
    ROSTER_IMPORTED = "roster_imported"
    MARKS_IMPORTED = "marks_imported"
    LIST_EXPORTED = "list_exported"
    STUDENT_READ = "student_read"
    STUDENT_EXPORTED = "student_exported"
    STUDENT_ERASED = "student_erased"
    STUDENT_READMITTED = "student_readmitted"
    HOLD_PLACED = "hold_placed"
    HOLD_LIFTED = "hold_lifted"
    RETENTION_CHANGED = "retention_changed"
    RETENTION_RUN = "retention_run"
    RECORDS_PARTITIONED = "records_partitioned"
    YEAR_ARCHIVED = "year_archived"
    YEAR_DROPPED = "year_dropped"
    STUDENTS_MERGED = "students_merged"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_ROTATED = "webhook_rotated"
    WEBHOOK_TESTED = "webhook_tested"
    WEBHOOK_DELETED = "webhook_deleted"
    WEBHOOK_REPLAYED = "webhook_replayed"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_RESUMED = "queue_resumed"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"
    LOG_EXPORTED = "log_exported"
    LOG_PRUNED = "log_pruned"
    LOG_SIGNED_AGAIN = "log_signed_again"


def canonical_json(details: Details | None) -> str | None:
    """The one text of equal details. It is stored as text, because the hash of the entry covers it."""
    if details is None:
        return None
    named = {_camel(name): _bounded(value) for name, value in details.items()}
    text = json.dumps(named, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert len(text) <= MAX_DETAILS, "details are ids, codes and counts"
    return text


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


def _bounded(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    items = cast("Sequence[object]", value)
    if len(items) <= MAX_LISTED:
        return items
    digest = hashlib.sha256(json.dumps(items, separators=(",", ":")).encode()).hexdigest()
    return f"{len(items)}, sha256 {digest}"
