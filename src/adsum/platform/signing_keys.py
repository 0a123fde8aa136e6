"""The signing keys as an operator configures them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

MIN_KEY_LENGTH = 32
NO_SIGNING_KEY = (
    "there is no secret key: set ADSUM_SECRET_KEY or ADSUM_SIGNING_KEYS (or one of them with _FILE) to 32 or more "
    "random characters, or use the data folder of `adsum up` (ADSUM_DATA_DIR)"
)
_ENTRY = re.compile(r"(?P<secret>\S+)(?:\s+until\s+(?P<ends_at>\S+))?")
_SEPARATOR = re.compile(r"[\r\n,]+")
_ID_LENGTH = 16


class WrongKeys(Exception):
    """A text with keys is wrong. `problems` names each wrong key by its number."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A configured key. It signs if it is the first; it verifies until `ends_at`, or without end."""

    secret: str = field(repr=False)
    ends_at: datetime | None = None

    @property
    def id(self) -> str:
        """Names the key in public. It does not tell the key."""
        return hkdf(self.secret.encode(), "key id").hex()[:_ID_LENGTH]


def hkdf(key: bytes, label: str) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869), with no salt."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), key, "sha256")
    return hmac.digest(extracted, f"adsum {label}".encode() + b"\x01", "sha256")


def parse_keys(text: str) -> tuple[SigningKey, ...]:
    """Reads keys on lines or between commas: `KEY`, or `KEY until 2027-01-31T00:00:00Z`. The first one signs.

    Raises:
        WrongKeys: names everything that is wrong.
    """
    entries = [entry.strip() for entry in _SEPARATOR.split(text) if entry.strip()]
    keys: list[SigningKey] = []
    problems: list[str] = [] if entries else ["there is no key"]
    for number, entry in enumerate(entries, 1):
        try:
            keys.append(_parsed(entry, {key.secret for key in keys}, is_first=number == 1))
        except WrongKeys as wrong:
            problems.append(f"key {number}: {wrong}")
    if problems:
        raise WrongKeys(problems)
    return tuple(keys)


def format_keys(keys: Sequence[SigningKey]) -> str:
    """The text that `parse_keys` reads."""
    return "".join(
        f"{key.secret}\n" if key.ends_at is None else f"{key.secret} until {key.ends_at.isoformat()}\n" for key in keys
    )


def _parsed(entry: str, earlier: set[str], *, is_first: bool) -> SigningKey:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise WrongKeys(["it is neither KEY nor KEY until TIME, and a key has no blanks"])
    key = _key_of(found["secret"], found["ends_at"])
    if key.secret in earlier:
        raise WrongKeys(["it is there already"])
    if is_first and key.ends_at is not None:
        raise WrongKeys(["the first one signs, and has no end"])
    return key


def _key_of(secret: str, ends_at: str | None) -> SigningKey:
    if len(secret) < MIN_KEY_LENGTH:
        raise WrongKeys([f"it is shorter than {MIN_KEY_LENGTH} characters"])
    return SigningKey(secret, None if ends_at is None else _moment(ends_at))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongKeys(["its end is not a time with a time zone, such as 2027-01-31T00:00:00Z"])
    return moment.astimezone(UTC)
