"""Records sign-ins that were not completed with a second factor. The sweeper that leads calls it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from adsum.accounts.audit.repository import record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.second_factors.rules import SecondFactorNeeded
from adsum.accounts.sign_ins import repository as statements
from adsum.accounts.sign_ins.repository import PendingSignIn
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.origin import ORIGIN, Origin

PAGE = 200


class AbandonedSignIns:
    """Records that a right password was given and no second factor followed, once the time for it is over.

    A complete sign-in has one entry, with its second factor; after a wrong code, that failure is recorded instead. So
    the readers of the log learn of every right password of which the user may not know.

    Args:
        database: of the sign-ins.
        now: the clock.
        page: of one transaction.
    """

    def __init__(self, database: Database, now: Clock, page: int = PAGE) -> None:
        self._database = database
        self._now = now
        self._page = page

    async def record(self) -> int:
        """Records at most one page, those of a user from an address as one entry. Two processes may do so at once.

        Returns:
            The number of sign-ins.
        """
        now = self._now()
        async with self._database.autocommit_read() as connection:
            if not await statements.has_overdue_pending(connection, now):
                return 0
        async with self._database.transaction() as connection:
            overdue = await statements.take_overdue_pending(connection, now, self._page)
            together = defaultdict[tuple[int, str | None, str | None], list[PendingSignIn]](list)
            for each in overdue:
                together[each.user_id, each.address, each.issuer].append(each)
            for pending in together.values():
                await _record(connection, pending)
        return len(overdue)


async def _record(connection: Connection, pending: list[PendingSignIn]) -> None:
    first = pending[0]
    after: dict[str, Any] = {
        "attempts": len(pending),
        "code": SecondFactorNeeded.code,
        "since": first.created_at.isoformat(),
    }
    after |= {} if first.issuer is None else {"issuer": first.issuer}
    token = ORIGIN.set(Origin(address=first.address, agent=first.agent))
    try:
        await record_about_user(connection, None, Action.SIGN_IN_FAILED, first.user_id, after=after)
    finally:
        ORIGIN.reset(token)
