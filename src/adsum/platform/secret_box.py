"""Encrypts texts, such as secrets of apps and webhooks, with a key that is derived from the signing key."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass

from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyPurpose, KeyRing

_NONCE = 12
_FORM = "v1."


class UnknownKey(ConfigurationError):
    """A secret was encrypted with a key that is no longer configured."""

    code = "unknown_key"


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted text. `is_current`: it was encrypted with the key that encrypts now."""

    text: str
    is_current: bool


class SecretBox:
    """Encrypts with the first key of the ring, and decrypts with any. A text belongs to an owner.

    Args:
        keys: the signing keys. Without one, every call raises ConfigurationError.
        purpose: of the texts.
    """

    def __init__(self, keys: KeyRing, purpose: KeyPurpose) -> None:
        self._keys = keys
        self._purpose = purpose

    @property
    def key_id(self) -> str:
        """The id of the signing key with which `seal` encrypts."""
        return self._keys.derive(self._purpose).key_id

    def seal(self, text: str, owner: str) -> str:
        """Encrypts a text. Only `open` with the same owner decrypts it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - only where something is encrypted

        nonce = os.urandom(_NONCE)
        key = self._keys.derive(self._purpose)
        sealed = AESGCM(key.secret).encrypt(nonce, text.encode(), owner.encode())
        return _FORM + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, owner: str, *, is_stored: bool) -> Opened:
        """Decrypts a text.

        Args:
            sealed: from `seal`.
            owner: as it was sealed.
            is_stored: whether it comes from the database, so that keys that have ended decrypt it, too.

        Raises:
            UnknownKey: no key decrypts it, or it belongs to another owner.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

        content = _decoded(sealed.removeprefix(_FORM))
        keys = self._keys.all_derived(self._purpose, with_ended=is_stored)
        for number, key in enumerate(keys):
            try:
                text = AESGCM(key.secret).decrypt(content[:_NONCE], content[_NONCE:], owner.encode())
            except (InvalidTag, ValueError):
                continue
            return Opened(text.decode(), is_current=number == 0)
        raise UnknownKey("no current signing key decrypts this secret")


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode(errors="replace"))
    except (binascii.Error, ValueError):
        return b""
