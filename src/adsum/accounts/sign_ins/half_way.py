"""Sign-ins that lack the second factor: a signed text that a browser holds in a cookie, and a row of the database.

The text is no token of `tokens`: it names no sign-in, and nothing but the second step accepts it. The row makes sure
that the audit log learns of a right password after which no second factor follows, also if this process ends.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from adsum.accounts.repository import keep_user
from adsum.accounts.rules import User
from adsum.accounts.sign_ins import repository as statements
from adsum.accounts.sign_ins.repository import PendingSignIn, ProviderSession
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unauthenticated, Unavailable
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.origin import ORIGIN

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
    """Begins and reads them.

    Args:
        database: of the rows.
        keys: the signing keys. Without one, every call raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, database: Database, keys: KeyRing, now: Clock) -> None:
        self._database = database
        self._keys = keys
        self._now = now

    async def begin(self, user: User, provider: ProviderSession | None = None) -> str:
        """The text for a user whose password is right, or whom this provider has authenticated.

        Raises Unauthenticated: they were erased since.
        """
        now, half_way = self._now(), HalfWay(user.id, user.generation, secrets.token_hex(16), provider)
        text, origin = self._text(half_way, now), ORIGIN.get()
        issuer = None if provider is None else provider.issuer
        pending = PendingSignIn(half_way.id, user.id, issuer, origin.address, origin.agent, now, now + LIFETIME)
        async with self._database.transaction() as connection:
            if not await keep_user(connection, user.id):
                raise Unauthenticated("there is no such user")
            await statements.insert_pending(connection, pending)
        return text

    async def end(self, half_way: HalfWay) -> None:
        """Forgets a sign-in whose failure is recorded. The browser may still try another code.

        An outage leaves the row, so that the right password is recorded a second time, and not the answer out.
        """
        with suppress(Unavailable):
            async with self._database.transaction() as connection:
                await statements.delete_pending(connection, half_way.id)

    def _text(self, half_way: HalfWay, now: datetime) -> str:
        ends_at, provider = int((now + LIFETIME).timestamp()), half_way.provider
        issuer, session = ("", "") if provider is None else (provider.issuer.encode().hex(), provider.session or "")
        content = f"{ends_at}.{half_way.user_id}.{half_way.generation}.{half_way.id}.{issuer}.{session}"
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
