"""The tables of all features. A test compares them with the result of the migrations."""

from __future__ import annotations

from adsum.absences.tables import absence_contacts, absence_versions, absences, due_absences
from adsum.accounts.audit.tables import audit_chain, audit_entries
from adsum.accounts.second_factors.tables import passkeys, recovery_codes, totp_apps
from adsum.accounts.tables import api_keys, class_covers, class_teachers, former_secrets, users
from adsum.attendance.tables import attendance_changes, attendances, contradictions, statuses
from adsum.batches.tables import batch_runs, job_failures, queue_shards
from adsum.operations.setup.tables import setup_steps
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.columns import metadata
from adsum.platform.database.revision import schema_compatibility
from adsum.platform.database.tombstones import tombstone_key, tombstones
from adsum.privacy.tables import retention_periods, retention_runs, student_holds, student_merges
from adsum.registers.order.tables import register_orders, student_seats
from adsum.registers.tables import desk_entries, register_reminders
from adsum.reports.tables import class_days, school_days, student_days, student_months, unmarked_students
from adsum.roster.syncing.tables import roster_sources
from adsum.roster.tables import (
    classes,
    enrolments,
    session_gaps,
    session_times,
    sessions,
    student_contacts,
    student_schools,
    students,
)
from adsum.schools.tables import class_terms, closed_days, school_changes, schools, terms

__all__ = [
    "absence_contacts",
    "absence_versions",
    "absences",
    "api_keys",
    "attendance_changes",
    "attendances",
    "audit_chain",
    "audit_entries",
    "batch_runs",
    "class_covers",
    "class_days",
    "class_teachers",
    "class_terms",
    "classes",
    "closed_days",
    "contradictions",
    "desk_entries",
    "due_absences",
    "enrolments",
    "former_secrets",
    "idempotency_keys",
    "job_failures",
    "metadata",
    "passkeys",
    "queue_shards",
    "recovery_codes",
    "register_orders",
    "register_reminders",
    "retention_periods",
    "retention_runs",
    "roster_sources",
    "schema_compatibility",
    "school_changes",
    "school_days",
    "schools",
    "session_gaps",
    "session_times",
    "sessions",
    "setup_steps",
    "statuses",
    "student_contacts",
    "student_days",
    "student_holds",
    "student_merges",
    "student_months",
    "student_schools",
    "student_seats",
    "students",
    "terms",
    "tombstone_key",
    "tombstones",
    "totp_apps",
    "unmarked_students",
    "users",
]
