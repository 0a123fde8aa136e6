"""Sign-ins that lack the second factor: a signed text that a browser holds in a cookie.

It is no token of `tokens`: it names no sign-in, and nothing but the second step accepts it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from adsum.accounts.service import User
from adsum.accounts.sign_ins.repository import ProviderSession
from adsum.platform.clock import Clock
from adsum.platform.errors import Unauthenticated
from adsum.platform.keys import KeyPurpose, KeyRing

LIFETIME = timedelta(minutes=10)
_TEXT = re.compile(
    r"([0-9]{1,12})\.([0-9]{1,19})\.([0-9]{1,10})\.([0-9a-f]{32})\.([0-9a-f]{0,2040})\.([0-9a-f]{0,64})\.([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class HalfWay:
    """A user whose password was right, or whom a provider has authenticated.

    Attributes:
        generation: of their sign-ins then.
        id: random.
        provider: that has authenticated them; None: their password.
    """

    user_id: int
    generation: int
    id: str
    provider: ProviderSession | None = None

    @property
    def purpose(self) -> str:
        """The purpose of the challenges of this sign-in."""
        return f"second step of sign-in {self.id}"


class HalfWays:
    """Signs and reads them.

    Args:
        keys: the signing keys. Without one, every call raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, keys: KeyRing, now: Clock) -> None:
        self._keys = keys
        self._now = now

    def make(self, user: User, provider: ProviderSession | None = None) -> str:
        """The text for a user whose password is right, or whom this provider has authenticated."""
        ends_at = int((self._now() + LIFETIME).timestamp())
        issuer, session = ("", "") if provider is None else (provider.issuer.encode().hex(), provider.session or "")
        content = f"{ends_at}.{user.id}.{user.generation}.{secrets.token_hex(16)}.{issuer}.{session}"
        return f"{content}.{self._keys.sign(KeyPurpose.HALF_WAY_SIGN_INS, content.encode())}"

    def read(self, text: str | None) -> HalfWay:
        """The user of a text. Raises Unauthenticated: it is forged, or too old."""
        match = _TEXT.fullmatch(text or "")
        self._keys.require_key()
        if match is None or not self._is_valid(match):
            raise Unauthenticated("enter the password first")
        issuer, session = bytes.fromhex(match[5]).decode(), match[6] or None
        provider = ProviderSession(issuer, session) if issuer else None
        return HalfWay(int(match[2]), int(match[3]), match[4], provider)

    def _is_valid(self, match: re.Match[str]) -> bool:
        content, _, signature = match[0].rpartition(".")
        is_signed = self._keys.is_signed(KeyPurpose.HALF_WAY_SIGN_INS, content.encode(), signature)
        return is_signed and self._now().timestamp() < int(match[1])
