"""Finds whether somebody has changed the audit log behind Adsum's back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from adsum.accounts.access import system_caller
from adsum.accounts.audit import repository as statements
from adsum.accounts.audit.chain import START, Chain, ChainKeys, Link
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import set_ends
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict

PAGE = 2_000
# Sealing takes seconds while a worker runs. An import records its entry minutes before it commits.
LATE = timedelta(minutes=15)


class LogFaultKind(StrEnum):
    """The kinds of faults of the log."""

    MISSING = "missing"
    CHANGED = "changed"
    CUT = "cut"
    ADDED = "added"
    SIGNATURE = "signature"
    OTHER_HEAD = "other_head"


@dataclass(frozen=True, slots=True)
class LogFault:
    """The first fault of the log. `position`: of the first wrong entry; None: of none in particular."""

    kind: LogFaultKind
    position: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a verification.

    Attributes:
        entries: that were verified.
        newest: the link of the newest sealed entry. A later verification can start from it being known.
        pruned: the link of the last entry that was pruned.
        problem: the first fault; None: nothing was changed.
        unsealed: entries that are not in the chain yet.
        is_sealing_late: whether one of them waits for longer than sealing takes.
    """

    entries: int
    newest: Link
    pruned: Link
    problem: LogFault | None
    unsealed: int
    is_sealing_late: bool


@dataclass(frozen=True, slots=True)
class SealState:
    """Up to where the log is sealed. It costs little, and says nothing about the entries: a verification does.

    Attributes:
        until: the time of the newest sealed entry; None: there is none.
        is_intact: whether this entry is there, and the end of the chain has a right signature.
        unsealed: entries that are not in the chain yet.
        is_late: whether one of them waits for longer than sealing takes.
    """

    until: datetime | None
    is_intact: bool
    unsealed: int
    is_late: bool


class LogBroken(Conflict):
    """The chain is wrong in itself, so that it must not be signed again."""

    code = "audit_log_broken"


class Verifier:
    """Reads the whole log in one snapshot, page by page, so that it needs little memory for any number of entries."""

    def __init__(self, database: Database, keys: ChainKeys, now: Clock, page: int = PAGE) -> None:
        self._database = database
        self._keys = keys
        self._now = now
        self._page = page

    async def verify(self, heads: Sequence[Link] = ()) -> Verification:
        """Computes every hash again.

        Args:
            heads: links that were noted earlier, outside of the database. They reveal an older state of the whole log,
                whose signature is right.

        Raises:
            ConfigurationError: there is no signing key.
        """
        async with self._database.snapshot() as connection:
            chain = await statements.read_chain(connection)
            entries, problem = await self._verify_entries(connection, chain, heads)
            unsealed, since = await statements.oldest_unsealed(connection)
        if problem is None and not self._keys.is_signed(chain):
            detail = "the chain was not signed with a signing key of this installation"
            problem = LogFault(LogFaultKind.SIGNATURE, None, detail)
        return Verification(entries, chain.newest, chain.pruned, problem, unsealed, self._is_late(since))

    async def seal_state(self) -> SealState:
        """Up to where the log is sealed. Raises ConfigurationError: there is no signing key."""
        async with self._database.snapshot() as connection:
            chain = await statements.read_chain(connection)
            until = await statements.time_of_position(connection, chain.newest.position)
            unsealed, since = await statements.oldest_unsealed(connection)
        is_there = until is not None or chain.newest in {START, chain.pruned}
        return SealState(until, is_there and self._keys.is_signed(chain), unsealed, self._is_late(since))

    async def sign_again(self) -> Verification:
        """Signs a log whose hashes are right, after the signing key was lost. Records it.

        Raises:
            LogBroken: the hashes are wrong, too.
            ConfigurationError: there is no signing key.
        """
        found = await self.verify()
        if found.problem is not None and found.problem.kind is not LogFaultKind.SIGNATURE:
            raise LogBroken(f"the log was changed: {found.problem.detail}")
        async with self._database.transaction() as connection:
            chain = await statements.lock_chain(connection)
            if (chain.newest, chain.pruned) != (found.newest, found.pruned):
                raise LogBroken("the log has grown meanwhile: its signature is right, or run this again")
            await set_ends(connection, self._keys, newest=chain.newest, pruned=chain.pruned)
            after = {"through": chain.newest.position}
            await record(connection, system_caller(), Action.LOG_SIGNED_AGAIN, after=after)
        return await self.verify()

    def _is_late(self, unsealed_since: datetime | None) -> bool:
        return unsealed_since is not None and self._now() - unsealed_since > LATE

    async def _verify_entries(
        self, connection: Connection, chain: Chain, heads: Sequence[Link]
    ) -> tuple[int, LogFault | None]:
        noted = {head.position: head.hash for head in heads}
        link, entries = chain.pruned, 0
        if problem := _compare(link, noted):
            return 0, problem
        while page := await statements.sealed_entries(connection, link.position, self._page):
            for position, stored_hash, entry in page:
                expected = link.next(entry)
                if problem := _compare_entry(position, stored_hash, expected, chain, noted):
                    return entries, problem
                link, entries = expected, entries + 1
        if problem := _compare_end(link, chain, noted):
            return entries, problem
        surplus = await statements.count_sealed(connection) - entries
        if surplus:
            detail = f"{surplus} entries have the position of another one, or of one that was pruned"
            return entries, LogFault(LogFaultKind.ADDED, None, detail)
        return entries, None


def _compare_entry(
    position: str | None, stored_hash: str | None, expected: Link, chain: Chain, noted: dict[int, str]
) -> LogFault | None:
    at = expected.position
    if at > chain.newest.position:
        return LogFault(LogFaultKind.ADDED, at, f"entry {position} comes after the end of the chain")
    if position != str(at):
        return LogFault(LogFaultKind.MISSING, at, f"entry {at} is missing")
    if stored_hash != expected.hash:
        return LogFault(LogFaultKind.CHANGED, at, f"entry {at} was changed, or one was put in its place")
    return _compare(expected, noted)


def _compare(link: Link, noted: dict[int, str]) -> LogFault | None:
    if noted.get(link.position, link.hash) != link.hash:
        detail = f"entry {link.position} is not the one of the noted head: the log was replaced from there or before"
        return LogFault(LogFaultKind.OTHER_HEAD, link.position, detail)
    return None


def _compare_end(link: Link, chain: Chain, noted: dict[int, str]) -> LogFault | None:
    newest = chain.newest
    if link.position < newest.position:
        at = link.position + 1
        return LogFault(LogFaultKind.CUT, at, f"the entries from {at} to {newest.position} are missing")
    if link != newest:
        return LogFault(LogFaultKind.CHANGED, link.position, f"entry {link.position} is not the end of the chain")
    later = [position for position in noted if position > newest.position]
    if later:
        at = newest.position + 1
        detail = (
            f"the log ends at entry {newest.position}, before the noted head {max(later)}: an older state was put back"
        )
        return LogFault(LogFaultKind.CUT, at, detail)
    return None
