"""Finds the caller of a token or an API key, and of an API key on behalf of a person."""

from __future__ import annotations

import asyncio
from contextvars import Context
from datetime import UTC, date, datetime, time

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.audit.repository import lock_acting, record, was_recorded_since
from adsum.accounts.audit.rules import Action
from adsum.accounts.service import MAX_EMAIL, caller_of_user, normalised_email
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import Clock
from adsum.platform.database.engine import BatchedLookup, Database
from adsum.platform.errors import Unavailable
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.telemetry import logger

log = logger(__name__)

# Keys and people of one day that a process remembers.
MAX_REMEMBERED = 50_000


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
        self._database = database
        self._now = now
        self._users = BatchedLookup(database, statements.users_of_emails)
        self._noted: set[tuple[int | None, int | None]] = set()
        self._noted_day = date.min
        self._pending: set[asyncio.Task[None]] = set()

    async def on_behalf_of(self, key: Caller, email: str) -> Caller | None:
        """The key on behalf of the person with this email.

        None: no such user, a disabled user, or a user of another school. All three look the same, so that a key learns
        nothing about users outside its schools.

        Raises:
            Forbidden: the key lacks `attendance:act-as`, which no person has.
        """
        require_permission(key, Permission.ATTENDANCE_ACT_AS)
        name = normalised_email(email)
        # Postgres refuses a NUL, and a lone surrogate has no UTF-8 form. No user has such an email.
        user = await self._users.find(name) if len(name) <= MAX_EMAIL and name.isprintable() else None
        if user is None or user.disabled:
            return None
        caller = key.on_behalf_of(caller_of_user(user))
        if caller.schools is not None and not caller.schools:
            return None
        self._begin_noting(caller, user.school_id)
        return caller

    async def close(self) -> None:
        """Stops pending lookups, and waits until acting is recorded. Called after the last request."""
        await asyncio.gather(*self._pending)
        await self._users.close()

    def _begin_noting(self, caller: Caller, school_id: int | None) -> None:
        """In the background: no request waits for it, and an outage fails none."""
        today, pair = self._now().astimezone(UTC).date(), (caller.key_id, caller.user_id)
        if today != self._noted_day or len(self._noted) >= MAX_REMEMBERED:
            self._noted_day = today
            self._noted.clear()
        if pair in self._noted:
            return
        self._noted.add(pair)
        origin = ORIGIN.get()
        task = asyncio.create_task(self._note(caller, school_id, today, origin), context=Context())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _note(self, caller: Caller, school_id: int | None, today: date, origin: Origin) -> None:
        ORIGIN.set(origin)
        begin = datetime.combine(today, time(), UTC)
        action = Action.KEY_ACTED_FOR_USER
        try:
            async with self._database.transaction() as connection:
                await lock_acting(connection)  # other processes let the same key in at the same time
                if not await was_recorded_since(connection, caller, action, begin):
                    await record(
                        connection, caller, action, school_id=school_id, user_id=caller.user_id, key_id=caller.key_id
                    )
        except Unavailable:
            self._noted.discard((caller.key_id, caller.user_id))  # the next request tries again
            log.warning("that a key has acted for a person was not recorded", actor=caller.actor)
