"""Bearer tokens: JWTs that name a user and a generation, and end when either is no longer so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller
from adsum.accounts.repository import StoredUser
from adsum.accounts.service import caller_of_user, normalised_email
from adsum.platform.coalescer import BatchedLookup
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError, NotFound, Unauthenticated
from adsum.platform.ids import MAX_ID
from adsum.platform.settings import NO_SIGNING_KEY

ALGORITHM = "HS256"
TOKENS_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class Token:
    """A token to be shown, and the seconds until it ends."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a token says that we have signed. `ends_at`: in seconds since 1970."""

    user_id: int
    generation: int
    ends_at: int


class Tokens:
    """Makes tokens, and knows the caller of one.

    Args:
        database: where users stand.
        key: that signs. None: whoever asks for a token gets a ConfigurationError.
        now: the clock.
        lifetime: of a token for which none is named.
    """

    def __init__(self, database: Database, key: str | None, now: Callable[[], datetime], lifetime: timedelta) -> None:
        self._database = database
        self._users = BatchedLookup(database, statements.users_of_ids)
        self._secret = key
        self._now = now
        self._lifetime = lifetime
        # What is signed stays signed: who sends a token again, and again, has it verified once. When it ends, and
        # whether its user still may, is asked each time. A wrong one raises, and is not kept.
        self._read = lru_cache(TOKENS_KEPT)(self._verified)

    async def create(self, email: str, lifetime: timedelta | None = None) -> Token:
        """A token for a user whose password was checked, or for whom an operator asks.

        Raises:
            NotFound: nobody with this email may sign in.
        """
        key = self._key()
        async with self._database.snapshot() as connection:
            user = await statements.user_of_email(connection, normalised_email(email))
        if user is None or user.disabled:
            raise NotFound("nobody may sign in with this email")
        return self._signed(user, key, lifetime or self._lifetime)

    async def caller_of(self, token: str) -> Caller:
        """Whose token this is.

        Raises:
            Unauthenticated: it is forged, expired or ended, or the user is disabled.
        """
        claims = self._read(token)
        if claims.ends_at <= self._now().timestamp():
            raise Unauthenticated("the token has expired")
        user = await self._users.find(claims.user_id)
        if user is None or user.disabled or user.email is None or user.token_generation != claims.generation:
            raise Unauthenticated("the token has ended")
        return caller_of_user(user)

    async def close(self) -> None:
        """Ends what is being looked up. To be called when nobody asks any more."""
        await self._users.close()

    def _key(self) -> str:
        if self._secret is None:
            raise ConfigurationError(NO_SIGNING_KEY)
        return self._secret

    def _signed(self, user: StoredUser, key: str, lifetime: timedelta) -> Token:
        now = self._now()
        claims = {"sub": str(user.id), "gen": user.token_generation, "iat": now, "exp": now + lifetime}
        text = jwt.encode(claims, key, ALGORITHM)  # pyright: ignore[reportUnknownMemberType] - as in `_claims`
        return Token(text, int(lifetime.total_seconds()))

    def _verified(self, token: str) -> _Claims:
        # verify_iat would refuse, for a second, the token of a neighbour whose clock is ahead of ours.
        options: Any = {"require": ["sub", "gen", "iat", "exp"], "verify_iat": False, "verify_exp": False}
        try:
            # PyJWT's types for keys are those of `cryptography`, which HS256 does not need.
            found = jwt.decode(token, self._key(), [ALGORITHM], options)  # pyright: ignore[reportUnknownMemberType]
            return _Claims(_user_id(found["sub"]), found["gen"], int(found["exp"]))
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise Unauthenticated("the token is not valid") from None


def _user_id(subject: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", subject) or int(subject) > MAX_ID:
        raise ValueError("no id of a user")
    return int(subject)
