"""The key ring: derives keys of their own for tokens and every other purpose from the signing keys."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from adsum.platform.clock import Clock, system_clock
from adsum.platform.errors import ConfigurationError
from adsum.platform.signing_keys import NO_SIGNING_KEY, SigningKey, WrongKeys, hkdf, parse_keys
from adsum.platform.telemetry import logger

log = logger(__name__)


class KeyPurpose(StrEnum):
    """The purposes of derived keys. The text is part of the key: it never changes."""

    TOKENS = "tokens"
    DEVICES = "device cookies"
    AUDIT = "audit head"
    SECOND_FACTORS = "second factors"
    PASSKEY_CHALLENGES = "passkey challenges"
    HALF_WAY_SIGN_INS = "half-way sign-ins"
    SINGLE_SIGN_ON = "single sign-on"
    SEARCHED_WORDS = "searched words"
    WEBHOOKS = "webhook secrets"


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """A key for one purpose: 32 bytes.

    Attributes:
        key_id: of the signing key.
        secret: differs for each purpose.
        ends_at: when it ceases to verify; None: without end.
    """

    key_id: str
    secret: bytes = field(repr=False)
    ends_at: datetime | None = None

    def mac(self, content: bytes) -> bytes:
        """The HMAC-SHA256 of the content: 32 bytes."""
        return hmac.digest(self.secret, content, "sha256")


class KeyFile:
    """The keys of a file. It is read again as soon as it changes, so that a rotation needs no restart.

    Args:
        path: of the file. If it is missing at first, there is no key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[SigningKey, ...] = ()

    def __call__(self) -> tuple[SigningKey, ...]:
        """The keys. If the file has become wrong or is gone, the keys that it had before.

        Raises:
            ConfigurationError: it never was right.
        """
        seen = self._state()
        if seen != self._seen:
            try:
                self._keys = self._read()
            except ConfigurationError as error:
                if not self._keys:
                    raise
                log.error("the signing keys are unchanged", error=error.detail)
            self._seen = seen
        return self._keys

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> tuple[SigningKey, ...]:
        try:
            return parse_keys(self.path.read_text(encoding="utf-8"))
        except WrongKeys as wrong:
            raise ConfigurationError(f"the secret key in {self.path} is wrong: {wrong}") from None
        except FileNotFoundError:
            if self._keys:
                raise ConfigurationError(f"the secret key in {self.path} is gone") from None
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the secret key in {self.path}: {error}") from None


class KeyRing:
    """Derives the keys of each purpose from the signing keys. Keys that were rotated count from the next call on.

    Without a key, all methods but `keys` raise ConfigurationError.

    Args:
        load: returns the signing keys, the one that signs first.
        now: the clock.
    """

    def __init__(self, load: Callable[[], tuple[SigningKey, ...]], now: Clock = system_clock) -> None:
        self._load = load
        self._now = now
        self._loaded: tuple[SigningKey, ...] = ()
        self._derived: dict[KeyPurpose, tuple[DerivedKey, ...]] = {}
        self._version = 0

    @classmethod
    def of(cls, secret: str | None, now: Clock = system_clock) -> KeyRing:
        """A ring with this key alone; None: without a key."""
        keys = () if secret is None else (SigningKey(secret),)
        return cls(lambda: keys, now)

    def keys(self) -> tuple[SigningKey, ...]:
        """All keys, also those that have ended."""
        loaded = self._load()
        if loaded is not self._loaded:
            self._loaded, self._derived = loaded, {}
            self._version += 1
        return loaded

    @property
    def version(self) -> int:
        """Rises when the keys change: a cache of what was verified is valid for one version."""
        self.keys()
        return self._version

    def derive(self, purpose: KeyPurpose) -> DerivedKey:
        """The key that signs or encrypts for a purpose."""
        return self._all(purpose)[0]

    def all_derived(self, purpose: KeyPurpose, *, with_ended: bool = False) -> tuple[DerivedKey, ...]:
        """The keys that verify for a purpose, the one that signs first.

        Args:
            purpose: of the keys.
            with_ended: also keys that have ended: for the decryption of stored data, never for anything that a client
                sends.
        """
        keys = self._all(purpose)
        return keys if with_ended else tuple(key for key in keys if self._is_valid(key))

    def sign(self, purpose: KeyPurpose, content: bytes) -> str:
        """The signature of the content by the key that signs for a purpose: 64 hexadecimal digits."""
        return self.derive(purpose).mac(content).hex()

    def is_signed(self, purpose: KeyPurpose, content: bytes, signature: str) -> bool:
        """Whether one of the keys that verify for a purpose has made this signature."""
        given = signature.encode(errors="replace")
        return any(hmac.compare_digest(key.mac(content).hex().encode(), given) for key in self.all_derived(purpose))

    def find(self, purpose: KeyPurpose, key_id: str) -> DerivedKey | None:
        """The key of a purpose with this id, if it still verifies."""
        return next((key for key in self.all_derived(purpose) if key.key_id == key_id), None)

    def all_plain(self) -> tuple[DerivedKey, ...]:
        """The keys that verify, as they were used before each purpose had keys of its own."""
        self.require_key()
        plain = (DerivedKey(key.id, key.secret.encode(), key.ends_at) for key in self._loaded)
        return tuple(key for key in plain if self._is_valid(key))

    def require_key(self) -> None:
        """Raises ConfigurationError if there is no key, or if the keys cannot be read."""
        if not self.keys():
            raise ConfigurationError(NO_SIGNING_KEY)

    def _all(self, purpose: KeyPurpose) -> tuple[DerivedKey, ...]:
        self.require_key()
        if purpose not in self._derived:
            self._derived[purpose] = tuple(
                DerivedKey(key.id, hkdf(key.secret.encode(), purpose), key.ends_at) for key in self._loaded
            )
        return self._derived[purpose]

    def _is_valid(self, key: DerivedKey) -> bool:
        return key.ends_at is None or self._now() < key.ends_at
