"""Finds the caller of a token or an API key, and of an API key on behalf of a person."""

from __future__ import annotations

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.audit.impersonations import ImpersonationRecords
from adsum.accounts.rules import may_be_email, normalised_email
from adsum.accounts.service import caller_of_user
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.database.lookups import BatchedLookup


class Callers:
    """Finds callers by their credentials. One service, because each dependency adds to the time of every request."""

    def __init__(self, tokens: Tokens, api_keys: ApiKeys, impersonation: Impersonation) -> None:
        self.of_token = tokens.caller_of
        self.of_key = api_keys.caller_of
        self.on_behalf_of = impersonation.on_behalf_of


class Impersonation:
    """API keys on behalf of a person, with the permissions and schools that both have.

    The audit log has one entry for a key, a person and a day (of UTC). It is written after the request was let through.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._users = BatchedLookup(database, statements.users_of_emails)
        self._records = ImpersonationRecords(database, now)

    async def on_behalf_of(self, key: Caller, email: str) -> Caller | None:
        """The key on behalf of the person with this email.

        None: no such user, a disabled user, or a user of another school. All three look the same, so that a key learns
        nothing about users outside its schools.

        Raises:
            Forbidden: the key lacks `attendance:act-as`, which no person has.
        """
        require_permission(key, Permission.ATTENDANCE_ACT_AS)
        name = normalised_email(email)
        user = await self._users.find(name) if may_be_email(name) else None
        if user is None or user.disabled:
            return None
        caller = key.on_behalf_of(caller_of_user(user))
        if caller.schools is not None and not caller.schools:
            return None
        self._records.note(caller, user.school_id)
        return caller

    async def close(self) -> None:
        """Stops pending lookups, and waits until impersonations are recorded. Called after the last request."""
        await self._records.close()
        await self._users.close()
