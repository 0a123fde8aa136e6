"""Known devices: a signed cookie shows that an account has signed in with a browser before."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from adsum.platform.clock import Clock
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import NO_SIGNING_KEY

LIFETIME = timedelta(days=365)
# A computer of a staff room is known to several accounts.
MAX_ACCOUNTS = 16
_SEPARATOR = "~"
_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{16})\.([0-9a-f]{32})")


class Devices:
    """Signs and recognises device cookies. A cookie holds one token per account, and no personal data.

    Args:
        key: signing key. Without it, signing or recognising a device raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, key: str | None, now: Clock) -> None:
        self._key = key
        self._now = now

    def recognise(self, cookie: str | None, email: str) -> str | None:
        """The id of the device if this account has signed in with it, else None.

        Args:
            cookie: as the browser sent it.
            email: normalised.
        """
        return next((_id_of(token) for token in self._tokens(cookie) if self._is_of(token, email)), None)

    def remember(self, cookie: str | None, email: str) -> str:
        """The cookie with a new token for this account. It keeps those of the last other accounts."""
        ends_at = int((self._now() + LIFETIME).timestamp())
        device = secrets.token_hex(8)
        token = f"{ends_at}.{device}.{self._signature(ends_at, device, email)}"
        others = [each for each in self._tokens(cookie) if not self._is_of(each, email)]
        return _SEPARATOR.join([token, *others][:MAX_ACCOUNTS])

    def _tokens(self, cookie: str | None) -> list[str]:
        parts = (cookie or "").split(_SEPARATOR, MAX_ACCOUNTS)[:MAX_ACCOUNTS]
        return [part for part in parts if _TOKEN.fullmatch(part)]

    def _is_of(self, token: str, email: str) -> bool:
        ends_at, device, signature = token.split(".")
        is_signed = hmac.compare_digest(signature, self._signature(int(ends_at), device, email))
        return is_signed and self._now().timestamp() < int(ends_at)

    def _signature(self, ends_at: int, device: str, email: str) -> str:
        if self._key is None:
            raise ConfigurationError(NO_SIGNING_KEY)
        # The first words keep it apart from tokens, which have the same key.
        content = f"device cookie|{ends_at}|{device}|{email}".encode(errors="replace")
        return hmac.new(self._key.encode(), content, hashlib.sha256).hexdigest()[:32]


def _id_of(token: str) -> str:
    return token.split(".")[1]
