"""Argon2 for passwords: never on the event loop, never more than two at once, never quicker for an unknown account."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# One hash takes 64 MiB and 0.1 s of a core, so that guessing is dear; two at once bound what a flood can take.
MEMORY_KIB, ROUNDS, LANES = 64 * 1024, 3, 4
AT_ONCE = 2
MIN_LENGTH, MAX_LENGTH = 8, 256
# The hash of nobody's password: checking against it takes the same time as against a real one.
DECOY = f"$argon2id$v=19$m={MEMORY_KIB},t={ROUNDS},p={LANES}${'A' * 22}${'A' * 43}"
# Without 0, O, 1, l and I: such passwords are read out and typed.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._argon2 = PasswordHash((Argon2Hasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES),))
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._argon2.hash, _normalised(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of that hash; None is an account that has none, and takes as long."""
        async with self._turns:
            same = await asyncio.to_thread(self._argon2.verify, _normalised(password), password_hash or DECOY)
        return same and password_hash is not None


def generated_password() -> str:
    """80 bits, in groups of four."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def _normalised(password: str) -> str:
    # The same é is one character on one keyboard and two on another.
    return unicodedata.normalize("NFKC", password)
