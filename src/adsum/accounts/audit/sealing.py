"""Seals entries: gives each its place in the chain, soon after the transaction that recorded it has committed.

Recording itself reads no other entry and takes no lock, so that no action waits for another one's entry. Postgres makes
entries visible in the order of their commits, not of their ids; positions are therefore given here, by one sealer at a
time.

An entry is sealed within seconds. Until then nothing detects that it was changed, deleted or forged. `adsum doctor`
reports entries that stay unsealed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from adsum.accounts.access import system_caller
from adsum.accounts.audit import repository as statements
from adsum.accounts.audit.chain import Chain, ChainKeys, Columns, End, Link
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.database.engine import Connection, Database, RejectedRows
from adsum.platform.errors import ConfigurationError
from adsum.platform.telemetry import ENTRIES, LogIcon, logger

# Entries of one transaction, which holds the lock of the chain.
PAGE = 500
MAX_PAGES = 20

log = logger(__name__)
# Its lines are the copy of the log outside of the database: they are written whatever ADSUM_LOG_LEVEL is.
entry_log = logger(ENTRIES)


class Sealing:
    """Seals new entries and logs them. The sweeper that leads calls it; two at once are safe.

    Args:
        database: with the entries.
        keys: sign the newest link.
        page: entries of one transaction.
    """

    def __init__(self, database: Database, keys: ChainKeys, page: int = PAGE) -> None:
        self._database = database
        self._keys = keys
        self._page = page
        self._reported: str | None = None

    async def seal(self) -> int:
        """Seals the entries that are visible, and logs each sealed entry at least once. Returns their number.

        It seals nothing while the signature of the chain is wrong, since it would sign what somebody has forged, or
        while an entry that no sealer has sealed occupies the next position.
        """
        try:
            sealed = await self._seal_all()
        except ConfigurationError:
            self._report("no_signing_key")
            return 0
        except RejectedRows:  # somebody has given an entry the next position
            self._report("wrong_position")
            return 0
        await self._log_sealed()
        return sealed

    async def _seal_all(self) -> int:
        sealed = 0
        for _ in range(MAX_PAGES):
            async with self._database.autocommit_read() as connection:
                chain = await statements.read_chain(connection)
                has_unsealed = await statements.has_unsealed(connection)
            if not has_unsealed and self._keys.is_by_newest_key(chain):
                break
            count = await self._seal_page()
            sealed += count
            if count < self._page:
                break
        return sealed

    async def _seal_page(self) -> int:
        async with self._database.transaction() as connection:
            chain = await statements.lock_chain(connection)
            if not self._keys.is_signed(chain):
                self._report("wrong_signature")
                return 0
            link, links = chain.newest, list[tuple[int, Link]]()
            for entry_id, entry in await statements.unsealed_entries(connection, self._page):
                link = link.next(entry)
                links.append((entry_id, link))
            if links:
                await statements.seal_entries(connection, links)
            await set_ends(connection, self._keys, newest=link, pruned=chain.pruned)
        self._reported = None
        return len(links)

    async def _log_sealed(self) -> None:
        """Logs entries after their commit. A process that dies in between leaves them to the next one."""
        async with self._database.autocommit_read() as connection:
            chain = await statements.read_chain(connection)
        position = max(chain.logged_position, chain.pruned.position)
        while position < chain.newest.position:
            async with self._database.autocommit_read() as connection:
                page = await statements.sealed_entries(connection, position, self._page)
            for sealed_position, sealed_hash, entry in page:
                entry_log.info(
                    "audit entry", position=_number(sealed_position), hash=sealed_hash, **logged_fields(entry)
                )
            # An empty page: somebody has removed sealed entries, which a verification finds.
            position = min(position + (len(page) or self._page), chain.newest.position)
            async with self._database.transaction() as connection:
                await statements.note_logged(connection, position)

    def _report(self, code: str) -> None:
        if self._reported != code:  # at every pass it would fill the log
            self._reported = code
            log.error("the audit log is not sealed: run adsum audit verify", mark=LogIcon.ERROR, code=code)


async def set_ends(connection: Connection, keys: ChainKeys, *, newest: Link, pruned: Link) -> None:
    """Stores and signs the ends of the chain. The caller has locked it, and has checked the stored signatures."""
    values = {
        "position": newest.position,
        "hash": newest.hash,
        "signature": keys.sign(End.NEWEST, newest),
        "pruned_position": pruned.position,
        "pruned_hash": pruned.hash,
        "pruned_signature": keys.sign(End.PRUNED, pruned),
    }
    await statements.set_chain(connection, values)


async def prune_entries(connection: Connection, keys: ChainKeys, before: datetime, limit: int) -> int:
    """Deletes the oldest sealed entries, at most `limit`, as far as all are from before a time. Records how many.

    The chain then begins at the last one of them. Deletion goes from the beginning and stops at the first
    entry that is not from before that time.

    Raises:
        ConfigurationError: there is no signing key, or the signature of the chain is wrong.
    """
    chain = await statements.lock_chain(connection)
    require_signed(keys, chain)
    last, count = chain.pruned, 0
    for link, created_at in await statements.oldest_entries(connection, chain.pruned.position, limit):
        if created_at >= before or link.position != last.position + 1:
            break
        last, count = link, count + 1
    if count:
        await set_ends(connection, keys, newest=chain.newest, pruned=last)
        await statements.delete_pruned(connection, last.position)
        after = {"entries": count, "through": last.position}
        await record(connection, system_caller(), Action.LOG_PRUNED, after=after)
    return count


def require_signed(keys: ChainKeys, chain: Chain) -> None:
    """Raises ConfigurationError if the signature of the chain is wrong."""
    if not keys.is_signed(chain):
        raise ConfigurationError("the signature of the audit log is wrong: run `adsum audit verify`")


def logged_fields(entry: Columns) -> Mapping[str, Any]:
    """The fields of a log line: the columns that have a value, ids as numbers and details as objects."""
    found = {name: text for name, text in entry.items() if text is not None}
    return {_FIELDS.get(name, name): _READ.get(name, str)(text) for name, text in found.items()}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


_FIELDS = {"id": "entry_id", "created_at": "at"}
_READ: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("id", "caller_user_id", "caller_key_id", "school_id", "student_id", "user_id", "key_id"), int),
    "before": json.loads,
    "after": json.loads,
}
