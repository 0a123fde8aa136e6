"""Known devices: a signed cookie shows that an account has signed in with a browser before."""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import timedelta

from adsum.platform.clock import Clock
from adsum.platform.keys import DerivedKey, KeyPurpose, KeyRing

LIFETIME = timedelta(days=365)
# A computer of a staff room is known to several accounts.
MAX_ACCOUNTS = 16
_SEPARATOR = "~"
_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{16})\.([0-9a-f]{32})")


class Devices:
    """Signs and recognises device cookies. A cookie holds one token per account, and no personal data.

    Args:
        keys: the signing keys. Without one, signing or recognising a device raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, keys: KeyRing, now: Clock) -> None:
        self._keys = keys
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
        token = f"{ends_at}.{device}.{_signature(self._keys.derive(KeyPurpose.DEVICES), ends_at, device, email)}"
        others = [each for each in self._tokens(cookie) if not self._is_of(each, email)]
        return _SEPARATOR.join([token, *others][:MAX_ACCOUNTS])

    def _tokens(self, cookie: str | None) -> list[str]:
        parts = (cookie or "").split(_SEPARATOR, MAX_ACCOUNTS)[:MAX_ACCOUNTS]
        return [part for part in parts if _TOKEN.fullmatch(part)]

    def _is_of(self, token: str, email: str) -> bool:
        ends_at, device, signature = token.split(".")
        # Cookies of versions without a key for each purpose were signed by a signing key itself.
        keys = (*self._keys.all_derived(KeyPurpose.DEVICES), *self._keys.all_plain())
        is_signed = any(hmac.compare_digest(signature, _signature(key, int(ends_at), device, email)) for key in keys)
        return is_signed and self._now().timestamp() < int(ends_at)


def _signature(key: DerivedKey, ends_at: int, device: str, email: str) -> str:
    content = f"device cookie|{ends_at}|{device}|{email}".encode(errors="replace")
    return key.mac(content).hex()[:32]


def _id_of(token: str) -> str:
    return token.split(".")[1]
