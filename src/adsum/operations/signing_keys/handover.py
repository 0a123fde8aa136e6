"""Rotates the signing keys together with the signature of the audit log, which may not outlive its key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import lock_chain
from adsum.accounts.audit.sealing import set_ends
from adsum.operations.signing_keys.rotation import rotate
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import ConfigurationError, Unavailable
from adsum.platform.keys import KeyFile, KeyRing
from adsum.platform.signing_keys import SigningKey


async def rotate_and_sign(
    database: Database, path: Path, keep: timedelta, now: datetime
) -> tuple[tuple[SigningKey, ...], bool]:
    """Rotates the keys, and signs the chain with the new one while the key before still verifies it.

    The chain is locked meanwhile, so that no worker finds it with the signature of a key that has ended. Without the
    database, or with a chain whose signature is wrong, the keys are rotated all the same.

    Returns:
        All keys, and whether the new one has signed the chain, or there is none yet.

    Raises:
        RotationRefused: see `rotate`; nothing has changed.
    """
    if database.is_missing:  # and so is a log to sign
        return rotate(path, keep, now), True
    keys = ChainKeys(KeyRing(KeyFile(path), lambda: now))  # has the new key as soon as the file has
    rotated, is_signed = None, False
    try:
        async with database.transaction() as connection:
            chain = await lock_chain(connection)
            was_signed = keys.is_signed(chain)
            rotated = rotate(path, keep, now)
            if was_signed:
                await set_ends(connection, keys, newest=chain.newest, pruned=chain.pruned)
        is_signed = was_signed
    except (ConfigurationError, RejectedRows, Unavailable):
        pass  # no key, no such table, or no answer
    return rotated or rotate(path, keep, now), is_signed
