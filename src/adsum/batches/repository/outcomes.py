"""What became of an attendance job, told from the rows that it may have left: the one place that says so."""

from __future__ import annotations

# The code of a job that was cancelled, beside those of jobs that failed.
CANCELLED = "cancelled"

RECORD_OF_JOB = """a.session_id = job.session_id AND a.learning_date = job.learning_date
                   AND a.student_id = job.student_id"""
_CHANGE_OF_JOB = "c.attendance_id = a.id AND c.version = job.seen + 1 AND c.run_id = job.run_id"
_FAILURE_OF_JOB = "f.run_id = job.run_id AND f.student_id = job.student_id"
_SQLITE_ROWS = f"""
LEFT JOIN attendances a ON {RECORD_OF_JOB}
LEFT JOIN attendance_changes c ON {_CHANGE_OF_JOB}
LEFT JOIN job_failures f ON {_FAILURE_OF_JOB}"""
# Postgres does not know how many jobs a plan has. It takes them for very many, and would read all attendances there
# are to find those of one class. A LIMIT keeps it to one look-up a job; no job has two of any of these rows.
_POSTGRES_ROWS = f"""
LEFT JOIN LATERAL (SELECT * FROM attendances a WHERE {RECORD_OF_JOB} LIMIT 1) a ON true
LEFT JOIN LATERAL (SELECT * FROM attendance_changes c WHERE {_CHANGE_OF_JOB} LIMIT 1) c ON true
LEFT JOIN LATERAL (SELECT * FROM job_failures f WHERE {_FAILURE_OF_JOB} LIMIT 1) f ON true"""

# A failure stands before another run's record: what a later run writes must not change how this one ended.
OUTCOME_OF_JOB = f"""
    CASE WHEN c.attendance_id IS NOT NULL OR (a.run_id = job.run_id AND job.seen IS NULL) THEN 'recorded'
         WHEN f.code = '{CANCELLED}' THEN 'cancelled'
         WHEN f.student_id IS NOT NULL THEN 'failed'
         WHEN a.id IS NOT NULL AND (job.seen IS NULL OR a.version > job.seen) THEN 'skipped'
         WHEN job.state = 'cancelled' THEN 'cancelled'
         ELSE 'pending' END"""


def rows_of_job(dialect: str) -> str:
    """Joins each row of `job` with the record `a`, the change `c` and the failure `f` of it, where there are any."""
    return _POSTGRES_ROWS if dialect == "postgresql" else _SQLITE_ROWS
