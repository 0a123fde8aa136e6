"""The doctor's check of the audit log. `adsum audit verify` checks the entries themselves, which takes longer."""

from __future__ import annotations

from adsum.accounts.audit.repository import oldest_unsealed
from adsum.accounts.audit.verification import LATE
from adsum.operations.doctor.findings import Finding, counted, ok, warning
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database


async def check_audit(database: Database, now: Clock) -> Finding:
    """Whether entries are sealed soon after they were recorded. Until then a change of them cannot be detected."""
    async with database.snapshot() as connection:
        unsealed, since = await oldest_unsealed(connection)
    if since is None or now() - since <= LATE:
        return ok("audit", "entries of the audit log are sealed")
    minutes = int((now() - since).total_seconds() // 60)
    detail = f"{counted(unsealed, 'audit record')} not sealed, the oldest for {minutes:,} minutes"
    return warning("audit", detail, "adsum worker  # with the signing key of the API; then adsum audit verify")
