"""Challenges for passkeys. They are signed, not stored.

A passkey answers each at most once: none that is as old as its last one, or older (`passkeys.last_challenge`).
A challenge belongs to what it was made for: a sign-in and a purpose, or a browser.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from adsum.platform.clock import Clock
from adsum.platform.errors import WrongSecondFactor
from adsum.platform.keys import KeyPurpose, KeyRing

LIFETIME = timedelta(minutes=5)
_TIME, _NONCE = 8, 16


class Challenges:
    """Makes and checks challenges.

    Args:
        keys: the signing keys. Without one, every call raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, keys: KeyRing, now: Clock) -> None:
        self._keys = keys
        self._now = now

    def make(self, purpose: str) -> bytes:
        """A new challenge for this purpose, which names its sign-in or browser."""
        made_at = int(self._now().timestamp() * 1_000_000)
        content = made_at.to_bytes(_TIME) + secrets.token_bytes(_NONCE)
        return content + bytes.fromhex(self._keys.sign(KeyPurpose.PASSKEY_CHALLENGES, _signed(content, purpose)))

    def made_at(self, challenge: bytes, purpose: str) -> int:
        """When the challenge was made, in microseconds since 1970.

        Raises:
            WrongSecondFactor: it was made for another purpose, by another server, or too long ago.
        """
        content, signature = challenge[: _TIME + _NONCE], challenge[_TIME + _NONCE :]
        is_signed = self._keys.is_signed(KeyPurpose.PASSKEY_CHALLENGES, _signed(content, purpose), signature.hex())
        made_at = int.from_bytes(content[:_TIME])
        age = self._now().timestamp() - made_at / 1_000_000
        if not is_signed or age >= LIFETIME.total_seconds():
            raise WrongSecondFactor("the answer of the passkey came too late, or belongs to something else")
        return made_at


def _signed(content: bytes, purpose: str) -> bytes:
    return purpose.encode() + b"|" + content
