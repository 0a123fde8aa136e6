"""The texts of bearer tokens: JWTs with a user id and the key of a sign-in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import jwt

from adsum.platform.errors import Unauthenticated
from adsum.platform.ids import MAX_ID
from adsum.platform.keys import DerivedKey, KeyPurpose, KeyRing

ALGORITHM = "HS256"
CACHED_TOKENS = 4_096


@dataclass(frozen=True, slots=True)
class Token:
    """The text of a new token. `expires_in` is in seconds."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Claims:
    """The verified claims of a token. `ends_at` is in seconds since 1970."""

    user_id: int
    key: str
    ends_at: int


class TokenTexts:
    """Signs and verifies the texts of tokens. Whether their sign-in goes on is a matter of `Tokens`.

    Args:
        keys: the signing keys. Without one, signing or verifying a token raises ConfigurationError.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        # Caches the verified signature, for one version of the keys. Expiry and the sign-in are checked on every
        # request. A forged token raises and is not cached.
        self._verified = lru_cache(CACHED_TOKENS)(self._verify)

    def claims_of(self, token: str) -> Claims:
        """The verified claims of a token. Raises Unauthenticated."""
        return self._verified(token, self._keys.version)

    def _verify(self, token: str, _version: int) -> Claims:
        for key in self._keys_of(token):
            try:
                return _verify(token, key)
            except (jwt.InvalidTokenError, ValueError, TypeError):
                continue
        raise Unauthenticated("the token is not valid")

    def _keys_of(self, token: str) -> Sequence[DerivedKey]:
        """The key that the token names. Tokens of versions without key ids were signed by a signing key itself."""
        try:
            header: dict[str, Any] = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return ()
        if "kid" not in header:
            return self._keys.all_plain()
        named = self._keys.find(KeyPurpose.TOKENS, header["kid"])
        return () if named is None else (named,)


def signed(signs: DerivedKey, user_id: int, key: str, now: datetime, ends_at: datetime) -> Token:
    """A new token."""
    claims = {"sub": str(user_id), "sid": key, "iat": now, "exp": ends_at}
    text = jwt.encode(claims, signs.secret, ALGORITHM, {"kid": signs.key_id})  # pyright: ignore[reportUnknownMemberType] - as in `_verify`
    return Token(text, int((ends_at - now).total_seconds()))


def _verify(token: str, key: DerivedKey) -> Claims:
    """Raises an error of PyJWT, ValueError or TypeError."""
    # verify_iat would refuse a new token of a process whose clock is ahead.
    options: Any = {"require": ["sub", "sid", "iat", "exp"], "verify_iat": False, "verify_exp": False}
    # PyJWT's types for keys need `cryptography`, which HS256 does not use.
    found = jwt.decode(token, key.secret, [ALGORITHM], options)  # pyright: ignore[reportUnknownMemberType]
    ends_at = int(found["exp"]) if key.ends_at is None else min(int(found["exp"]), int(key.ends_at.timestamp()))
    return Claims(_user_id(found["sub"]), _key_of(found["sid"]), ends_at)


def _user_id(subject: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", subject) or int(subject) > MAX_ID:
        raise ValueError("not a user id")
    return int(subject)


def _key_of(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError("not the key of a sign-in")
    return text
