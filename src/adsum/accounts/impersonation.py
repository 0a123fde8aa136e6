"""A key acts for a person: in their name, with no right that either of them lacks."""

from __future__ import annotations

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.service import MAX_EMAIL, caller_of_user, normalised_email
from adsum.platform.coalescer import BatchedLookup
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, Violation
from adsum.platform.http.queries import ON_BEHALF_OF


class Impersonation:
    """Knows the person that a key names."""

    def __init__(self, database: Database) -> None:
        self._users = BatchedLookup(database, statements.users_of_emails)

    async def for_person(self, key: Caller, email: str) -> Caller:
        """The key in the name of the person with this email.

        Raises:
            Forbidden: the key lacks `attendance:act-as`, which no person has.
            Invalid: nobody signs in with this email, or they are disabled, or of no school of the key: one and the same
                error, so that a key learns of nobody beyond its schools.
        """
        require_permission(key, Permission.ATTENDANCE_ACT_AS)
        name = normalised_email(email)
        # What nobody can have is not asked for: Postgres refuses a NUL, and half a surrogate pair has no UTF-8.
        user = await self._users.find(name) if len(name) <= MAX_EMAIL and name.isprintable() else None
        if user is None or user.disabled:
            raise _unknown()
        caller = key.on_behalf_of(caller_of_user(user))
        if caller.schools is not None and not caller.schools:
            raise _unknown()
        return caller

    async def close(self) -> None:
        """Ends what is being looked up. To be called when nobody asks any more."""
        await self._users.close()


def _unknown() -> Invalid:
    detail = "nobody of the key's schools signs in with this email"
    params = {"in": "query", "name": ON_BEHALF_OF}
    return Invalid(detail, [Violation("unknown_person", detail, f"/query/{ON_BEHALF_OF}", params)])
