"""Bearer tokens: JWTs with a user id and a token generation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller
from adsum.accounts.repository import StoredUser
from adsum.accounts.service import caller_of_user, normalised_email
from adsum.platform.clock import Clock
from adsum.platform.database.engine import BatchedLookup, Database
from adsum.platform.errors import ConfigurationError, NotFound, Unauthenticated
from adsum.platform.ids import MAX_ID
from adsum.platform.settings import NO_SIGNING_KEY

ALGORITHM = "HS256"
CACHED_TOKENS = 4_096


@dataclass(frozen=True, slots=True)
class Token:
    """The text of a new token. `expires_in` is in seconds."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Claims:
    """The verified claims of a token. `ends_at` is in seconds since 1970."""

    user_id: int
    generation: int
    ends_at: int


class Tokens:
    """Creates and verifies tokens.

    Args:
        database: of the users.
        key: signing key. Without it, creating or verifying a token raises ConfigurationError.
        now: the clock.
        lifetime: default lifetime of a token.
    """

    def __init__(self, database: Database, key: str | None, now: Clock, lifetime: timedelta) -> None:
        self._database = database
        self._users = BatchedLookup(database, statements.users_of_ids)
        self._secret = key
        self._now = now
        self._lifetime = lifetime
        # Caches the verified signature. Expiry and the state of the user are checked on every request. A forged token
        # raises and is not cached.
        self._claims_of = lru_cache(CACHED_TOKENS)(self._verify)

    async def create(self, email: str, lifetime: timedelta | None = None) -> Token:
        """A token for a user. The caller has checked the password, or is the command line.

        Raises:
            NotFound: no enabled user has this email.
        """
        key = self._key()
        async with self._database.snapshot() as connection:
            user = await statements.user_of_email(connection, normalised_email(email))
        if user is None or user.disabled:
            raise NotFound("no enabled user has this email")
        return self._signed(user, key, lifetime or self._lifetime)

    async def caller_of(self, token: str) -> Caller:
        """The user of a token, as a caller.

        Raises:
            Unauthenticated: the token is forged, expired or ended, or the user is disabled.
        """
        claims = self._claims_of(token)
        if claims.ends_at <= self._now().timestamp():
            raise Unauthenticated("the token has expired")
        user = await self._users.find(claims.user_id)
        if user is None or user.disabled or user.email is None or user.token_generation != claims.generation:
            raise Unauthenticated("the token has ended")
        return caller_of_user(user)

    async def close(self) -> None:
        """Stops pending lookups. Called after the last request."""
        await self._users.close()

    def _key(self) -> str:
        if self._secret is None:
            raise ConfigurationError(NO_SIGNING_KEY)
        return self._secret

    def _signed(self, user: StoredUser, key: str, lifetime: timedelta) -> Token:
        now = self._now()
        claims = {"sub": str(user.id), "gen": user.token_generation, "iat": now, "exp": now + lifetime}
        text = jwt.encode(claims, key, ALGORITHM)  # pyright: ignore[reportUnknownMemberType] - as in `_verify`
        return Token(text, int(lifetime.total_seconds()))

    def _verify(self, token: str) -> _Claims:
        # verify_iat would refuse a new token of a process whose clock is ahead.
        options: Any = {"require": ["sub", "gen", "iat", "exp"], "verify_iat": False, "verify_exp": False}
        try:
            # PyJWT's types for keys need `cryptography`, which HS256 does not use.
            found = jwt.decode(token, self._key(), [ALGORITHM], options)  # pyright: ignore[reportUnknownMemberType]
            return _Claims(_user_id(found["sub"]), found["gen"], int(found["exp"]))
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise Unauthenticated("the token is not valid") from None


def _user_id(subject: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", subject) or int(subject) > MAX_ID:
        raise ValueError("not a user id")
    return int(subject)
