"""Hashes passwords with Argon2, in threads and at most two at a time."""

from __future__ import annotations

import asyncio
import secrets

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from adsum.accounts.passwords.rules import normalised

# One hash takes 64 MiB and 0.1 s of a core, which makes guessing expensive. The limit bounds the cost of a flood.
MEMORY_KIB, ROUNDS, LANES = 64 * 1024, 3, 4
CONCURRENT_HASHES = 2
# Checked for accounts without a password, so that the response takes the same time.
DECOY = f"$argon2id$v=19$m={MEMORY_KIB},t={ROUNDS},p={LANES}${'A' * 22}${'A' * 43}"
# Without 0, O, 1, l and I, which are easily confused when read aloud and typed.
GROUP_LENGTH = 4
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._argon2 = PasswordHash((Argon2Hasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES),))
        self._slots = asyncio.Semaphore(CONCURRENT_HASHES)

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._argon2.hash, normalised(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password has this hash. Takes as long if the hash is None, and is then False."""
        async with self._slots:
            same = await asyncio.to_thread(self._argon2.verify, normalised(password), password_hash or DECOY)
        return same and password_hash is not None


def generated_password(groups: int = 4) -> str:
    """A random password in groups of four characters, which have 20 bits each."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(GROUP_LENGTH)) for _ in range(groups))
