"""Records failed sign-ins, in a bounded number of entries, however many there are."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass

from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import user_of_email
from adsum.platform.addresses import source_of
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.telemetry import logger

WINDOW_S = 60.0
# Of one process and window. The failures of all further accounts and addresses are one entry.
MAX_COUNTED = 500
# Longer than any email of a user.
MAX_EMAIL = 320

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Failures that are counted together. `email` and `source` None: of all that exceed `MAX_COUNTED`."""

    email: str | None
    source: str | None
    code: str


class FailedSignIns:
    """Records the first failure of an account from an address at once, and those of the next minute as a number.

    An entry names the account only if it exists, and never the text that was typed. So what somebody types into the
    wrong field, such as a password, is not stored.

    Args:
        database: of the entries.
        window_s: seconds in which failures are counted.
    """

    def __init__(self, database: Database, window_s: float = WINDOW_S, max_counted: int = MAX_COUNTED) -> None:
        self._database = database
        self._window_s = window_s
        self._max_counted = max_counted
        # The further failures, and the origin of the first one.
        self._counts: dict[Failure, int] = {}
        self._origins: dict[Failure, Origin] = {}
        self._counting: asyncio.Task[None] | None = None

    async def note(self, email: str, address: str | None, code: str) -> None:
        """Records a failure, or counts it. An outage loses the entry, and not the answer to the attempt.

        Args:
            email: that was typed, normalised.
            address: of the client.
            code: of the error, such as `unauthenticated`.
        """
        failure = Failure(email[:MAX_EMAIL], source_of(address), code)
        if failure not in self._counts and len(self._counts) >= self._max_counted:
            failure = Failure(None, None, code)
        if failure in self._counts:
            self._counts[failure] += 1
            return
        self._counts[failure] = 0
        self._origins[failure] = ORIGIN.get()
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(), context=Context())
        await self._record(failure, 1)

    async def close(self) -> None:
        """Records what was counted. Called after the last request."""
        if self._counting is not None:
            self._counting.cancel()
        await self._record_counted()

    async def _count(self) -> None:
        await asyncio.sleep(self._window_s)
        self._counting = None
        await self._record_counted()

    async def _record_counted(self) -> None:
        counts, origins = self._counts, self._origins
        self._counts, self._origins = {}, {}
        for failure, count in counts.items():
            if count:
                # The other attempts had other request ids.
                ORIGIN.set(Origin(address=origins[failure].address))
                await self._record(failure, count)

    async def _record(self, failure: Failure, attempts: int) -> None:
        try:
            async with self._database.transaction() as connection:
                # No user has an unprintable email, which Postgres may refuse.
                email = failure.email or ""
                user = await user_of_email(connection, email if email.isprintable() else "")
                await record(
                    connection,
                    None,
                    Action.SIGN_IN_FAILED,
                    school_id=None if user is None else user.school_id,
                    user_id=None if user is None else user.id,
                    after={"attempts": attempts, "code": failure.code},
                )
        except Unavailable:
            log.warning("a failed sign-in was not recorded", rows=attempts)
