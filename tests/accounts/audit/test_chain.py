"""Sealing puts every entry into one chain, and a verification finds every change that is made behind its back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from adsum.accounts.audit.chain import START, ChainKeys, Link
from adsum.accounts.audit.repository import sealed_entries
from adsum.accounts.audit.sealing import Sealing, prune_entries
from adsum.accounts.audit.verification import LogBroken, LogFaultKind, Verification, Verifier
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyRing
from adsum.platform.signing_keys import SigningKey
from tests.accounts.audit.chains import KEY, KEYS, OTHER, sealed, tamper, verified
from tests.accounts.audit.conftest import entries_of


async def test_sealed_entries_are_one_chain_without_gaps_in_the_order_of_their_commits(database: Database) -> None:
    await sealed(database)
    await sealed(database, 1)

    entries = await entries_of(database)
    assert [each["position"] for each in entries] == [1, 2, 3, 4, 5, 6]
    assert len({each["hash"] for each in entries}) == 6
    found = await verified(database)
    assert (found.entries, found.problem, found.unsealed, found.pruned) == (6, None, 0, START)
    assert found.newest == Link(6, entries[-1]["hash"])


TAMPERINGS: Sequence[tuple[str, LogFaultKind, int | None, Sequence[str]]] = (
    ("column", LogFaultKind.CHANGED, 3, ["UPDATE audit_entries SET school_id = 9 WHERE position = 3"]),
    ("details", LogFaultKind.CHANGED, 2, ["UPDATE audit_entries SET after = '{}' WHERE position = 2"]),
    (
        "time",
        LogFaultKind.CHANGED,
        1,
        ["UPDATE audit_entries SET created_at = '2024-12-25 08:00:00' WHERE position = 1"],
    ),
    ("to null", LogFaultKind.CHANGED, 5, ["UPDATE audit_entries SET caller_role = NULL WHERE position = 5"]),
    ("hash", LogFaultKind.CHANGED, 4, ["UPDATE audit_entries SET hash = 'x' WHERE position = 4"]),
    ("deleted", LogFaultKind.MISSING, 2, ["DELETE FROM audit_entries WHERE position = 2"]),
    ("first deleted", LogFaultKind.MISSING, 1, ["DELETE FROM audit_entries WHERE position = 1"]),
    ("end cut", LogFaultKind.CUT, 4, ["DELETE FROM audit_entries WHERE position > 3"]),
    ("all deleted", LogFaultKind.CUT, 1, ["DELETE FROM audit_entries"]),
    ("unsealed", LogFaultKind.CUT, 5, ["UPDATE audit_entries SET position = NULL, hash = NULL WHERE position = 5"]),
    (
        "moved up",
        LogFaultKind.CHANGED,
        2,
        ["DELETE FROM audit_entries WHERE position = 2", "UPDATE audit_entries SET position = 2 WHERE position = 5"],
    ),
    (
        "swapped",
        LogFaultKind.CHANGED,
        2,
        [
            "UPDATE audit_entries SET position = 99 WHERE position = 2",
            "UPDATE audit_entries SET position = 2 WHERE position = 3",
            "UPDATE audit_entries SET position = 3 WHERE position = 99",
        ],
    ),
    (
        "added",
        LogFaultKind.ADDED,
        6,
        ["INSERT INTO audit_entries (created_at, action, position, hash) VALUES ('2024-12-25 08:00', 'x', 6, 'y')"],
    ),
    (
        "added before",
        LogFaultKind.ADDED,
        None,
        ["INSERT INTO audit_entries (created_at, action, position, hash) VALUES ('2024-12-25 08:00', 'x', -1, 'y')"],
    ),
    (
        "head with the end cut",
        LogFaultKind.SIGNATURE,
        None,
        [
            "DELETE FROM audit_entries WHERE position > 3",
            "UPDATE audit_chain SET position = 3, hash = (SELECT hash FROM audit_entries WHERE position = 3)",
        ],
    ),
    (
        "head with the beginning cut",
        LogFaultKind.SIGNATURE,
        None,
        [
            "UPDATE audit_chain SET pruned_position = 2",
            "UPDATE audit_chain SET pruned_hash = (SELECT hash FROM audit_entries WHERE position = 2)",
            "DELETE FROM audit_entries WHERE position <= 2",
        ],
    ),
)


@pytest.mark.parametrize(
    ("kind", "position", "statements"), [pytest.param(*rest, id=name) for name, *rest in TAMPERINGS]
)
@pytest.mark.every_case
async def test_a_verification_finds_every_tampering_and_its_first_position(
    database: Database, kind: LogFaultKind, position: int | None, statements: Sequence[str]
) -> None:
    await sealed(database)
    await tamper(database, *statements)

    problem = (await verified(database)).problem

    assert problem is not None
    assert (problem.kind, problem.position) == (kind, position)


async def test_a_changed_last_entry_with_a_recomputed_hash_is_not_the_end_of_the_chain(database: Database) -> None:
    await sealed(database, 1)
    await tamper(database, "UPDATE audit_entries SET school_id = 9")
    async with database.snapshot() as connection:
        ((_, _, changed),) = await sealed_entries(connection, 0, 2)
    await tamper(database, f"UPDATE audit_entries SET hash = '{START.next(changed).hash}'")
    problem = (await verified(database)).problem
    assert problem is not None
    assert (problem.kind, problem.position) == (LogFaultKind.CHANGED, 1)


async def test_a_recomputed_chain_is_found_by_its_signature(database: Database) -> None:
    """Somebody with the database alone makes every hash again."""
    await sealed(database, 3)
    forger = ChainKeys(KeyRing.of(OTHER))
    await tamper(
        database, "UPDATE audit_entries SET school_id = 9, position = NULL, hash = NULL", "DELETE FROM audit_chain"
    )
    assert await Sealing(database, forger).seal() == 3

    problem = (await verified(database)).problem

    assert problem is not None
    assert problem.kind is LogFaultKind.SIGNATURE


async def test_an_older_state_that_was_put_back_is_found_by_a_noted_head(database: Database) -> None:
    await sealed(database, 3)
    state = "signature, position, hash, pruned_signature"
    async with database.snapshot() as connection:
        old = (await connection.execute(text(f"SELECT {state} FROM audit_chain"))).one()
    await sealed(database, 2)
    noted = (await verified(database)).newest
    await tamper(
        database,
        "DELETE FROM audit_entries WHERE position > 3",
        f"UPDATE audit_chain SET signature = '{old[0]}', position = {old[1]}, hash = '{old[2]}'",
    )

    assert (await verified(database)).problem is None
    problem = (await verified(database, noted)).problem
    assert problem is not None
    assert (problem.kind, problem.position) == (LogFaultKind.CUT, 4)
    await sealed(database, 3)
    problem = (await verified(database, noted)).problem
    assert problem is not None
    assert (problem.kind, problem.position) == (LogFaultKind.OTHER_HEAD, 5)
    assert (await verified(database, Link(0, "x"))).problem is not None


async def test_more_than_nine_entries_follow_each_other_as_numbers(database: Database) -> None:
    """As texts, 10 comes before 2: the log seemed to lack its second entry."""
    await sealed(database, 12, page=20)
    found = await verified(database, page=20)
    assert (found.entries, found.problem) == (12, None)
    entries = await entries_of(database)
    assert [each["position"] for each in sorted(entries, key=lambda each: each["id"])] == list(range(1, 13))


async def test_an_emptied_log_is_found_by_a_noted_head(database: Database) -> None:
    await sealed(database, 3)
    noted = (await verified(database)).newest
    await tamper(database, "DELETE FROM audit_entries", "DELETE FROM audit_chain")

    assert (await verified(database)).problem is None, "this is the state of a new installation"
    problem = (await verified(database, noted)).problem
    assert problem is not None
    assert (problem.kind, problem.position) == (LogFaultKind.CUT, 1)
    await sealed(database, 4)
    assert (await verified(database)).problem is None
    problem = (await verified(database, noted)).problem
    assert problem is not None
    assert (problem.kind, problem.position) == (LogFaultKind.OTHER_HEAD, 3)


async def test_keys_rotate_and_a_lost_key_is_replaced_after_the_hashes_were_verified(database: Database) -> None:
    await sealed(database, 3)
    async with database.transaction() as connection:
        assert await prune_entries(connection, KEYS, system_clock() + timedelta(days=1), 1) == 1
    both = ChainKeys(KeyRing(lambda: (SigningKey(OTHER), SigningKey(KEY))))
    other = ChainKeys(KeyRing.of(OTHER))
    assert await Sealing(database, KEYS).seal() == 1

    assert (await verified(database, keys=both)).problem is None
    assert await Sealing(database, both).seal() == 0  # signs again
    assert (await verified(database, keys=other)).problem is None
    problem = (await verified(database)).problem
    assert problem is not None
    assert problem.kind is LogFaultKind.SIGNATURE
    again = await Verifier(database, KEYS, system_clock).sign_again()
    assert (again.problem, again.unsealed) == (None, 1)
    assert (await entries_of(database))[-1]["action"] == "log_signed_again"
    await tamper(database, "UPDATE audit_entries SET school_id = 9 WHERE position = 3")
    with pytest.raises(LogBroken):
        await Verifier(database, other, system_clock).sign_again()


async def test_a_log_that_grows_while_it_is_signed_again_is_not_signed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sealed(database, 3)
    verifier = Verifier(database, KEYS, system_clock)
    verify = verifier.verify

    async def grow() -> Verification:
        found = await verify()
        await sealed(database, 1)
        return found

    monkeypatch.setattr(verifier, "verify", grow)
    with pytest.raises(LogBroken):
        await verifier.sign_again()


async def test_pruning_removes_the_oldest_entries_and_the_rest_still_verifies(database: Database) -> None:
    await sealed(database)
    await tamper(
        database, "UPDATE audit_entries SET created_at = '2020-01-01 08:00:00.000000', position = NULL, hash = NULL"
    )
    await tamper(database, "UPDATE audit_entries SET created_at = '2030-01-01 08:00:00.000000' WHERE id = 4")
    await tamper(database, "DELETE FROM audit_chain")
    await Sealing(database, KEYS).seal()

    async def prune(limit: int) -> int:
        async with database.transaction() as connection:
            return await prune_entries(connection, KEYS, system_clock(), limit)

    assert [await prune(2), await prune(9), await prune(9)] == [2, 1, 0]

    entries = await entries_of(database)
    assert [each["position"] for each in entries] == [4, 5, None, None]
    assert [json.loads(each["after"]) for each in entries[2:]] == [
        {"entries": 2, "through": 2},
        {"entries": 1, "through": 3},
    ]
    await Sealing(database, KEYS).seal()
    found = await verified(database)
    assert (found.entries, found.problem, found.pruned.position) == (4, None, 3)
    with pytest.raises(ConfigurationError):
        async with database.transaction() as connection:
            await prune_entries(connection, ChainKeys(KeyRing.of(OTHER)), system_clock(), 2)
