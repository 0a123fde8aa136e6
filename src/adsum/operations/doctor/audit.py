"""The doctor's check of the audit log. `adsum audit verify` checks the entries themselves, which takes longer."""

from __future__ import annotations

from adsum.accounts.audit.chain import Chain, ChainKeys
from adsum.accounts.audit.repository import oldest_unsealed, read_chain
from adsum.accounts.audit.verification import LATE
from adsum.operations.doctor.findings import Finding, counted, error, ok, warning
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyRing


async def check_audit(database: Database, keys: KeyRing, now: Clock) -> Finding:
    """Whether entries are sealed soon after they were recorded. Until then a change of them cannot be detected."""
    async with database.snapshot() as connection:
        chain = await read_chain(connection)
        unsealed, since = await oldest_unsealed(connection)
    if not _is_signed(chain, keys):
        detail = "the audit log was not signed with a key that is valid: nothing more is sealed"
        return error("audit", detail, "adsum audit verify  # then adsum audit sign")
    if since is None or now() - since <= LATE:
        return ok("audit", "entries of the audit log are sealed")
    minutes = int((now() - since).total_seconds() // 60)
    detail = f"{counted(unsealed, 'audit entry')} not sealed, the oldest for {minutes:,} minutes"
    return warning("audit", detail, "adsum worker  # with the signing key of the API; then adsum audit verify")


def _is_signed(chain: Chain, keys: KeyRing) -> bool:
    """True without a key: the check of the signing keys reports it."""
    try:
        return ChainKeys(keys).is_signed(chain)
    except ConfigurationError:
        return True
