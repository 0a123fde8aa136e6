"""Rotates the signing keys together with the signature of the audit log, which may not outlive its key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from adsum.accounts.access import system_caller
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import lock_chain, record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import set_ends
from adsum.operations.signing_keys.rotation import rotate
from adsum.platform.database.engine import Connection, Database, RejectedRows
from adsum.platform.errors import ConfigurationError, Unavailable
from adsum.platform.keys import KeyFile, KeyRing
from adsum.platform.signing_keys import SigningKey


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation.

    Attributes:
        keys: all keys, the new one first.
        is_log_signed: whether the new key has signed the chain, or there is none yet.
        is_recorded: whether the log has an entry, or there is no log yet.
    """

    keys: tuple[SigningKey, ...]
    is_log_signed: bool
    is_recorded: bool


async def rotate_and_sign(database: Database, path: Path, keep: timedelta, now: datetime) -> Rotation:
    """Rotates the keys, and signs the chain with the new one while the key before still verifies it.

    The chain is locked meanwhile, so that no worker finds it with the signature of a key that has ended. Without the
    database, or with a chain whose signature is wrong, the keys are rotated all the same.

    Raises:
        RotationRefused: see `rotate`; nothing has changed.
    """
    if database.is_missing:  # and so is a log to sign
        return Rotation(rotate(path, keep, now), is_log_signed=True, is_recorded=True)
    keys = ChainKeys(KeyRing(KeyFile(path), lambda: now))  # has the new key as soon as the file has
    rotated, was_signed, is_recorded = None, False, False
    try:
        async with database.transaction() as connection:
            chain = await lock_chain(connection)
            was_signed = keys.is_signed(chain)
            rotated = rotate(path, keep, now)
            if was_signed:
                await set_ends(connection, keys, newest=chain.newest, pruned=chain.pruned)
            await _record(connection, rotated)
        is_recorded = True
    except (ConfigurationError, RejectedRows, Unavailable):
        pass  # no key, no such table, or no answer
    keys_now = rotated or rotate(path, keep, now)
    return Rotation(keys_now, is_log_signed=was_signed and is_recorded, is_recorded=is_recorded)


async def _record(connection: Connection, keys: tuple[SigningKey, ...]) -> None:
    new, before = keys[0], keys[1]
    assert before.ends_at is not None, "a rotation ends the key before"
    after = {"signingKey": new.id, "earlierKeysEndAt": before.ends_at.isoformat()}
    await record(
        *(connection, system_caller(), Action.SIGNING_KEY_ROTATED), before={"signingKey": before.id}, after=after
    )
