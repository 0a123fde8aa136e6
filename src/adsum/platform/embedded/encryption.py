"""Encrypts backups to public keys, in the format of age (https://age-encryption.org/v1), in pieces of constant size."""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyrage
from pyrage import x25519

from adsum.platform.embedded.archive import BackupRefused, digest_of

_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_MAGIC = (b"age-encryption.org/", _ARMOR)
# Of about 600 recipients. The library reads a header in a time that grows with the square of its size.
_MAX_HEADER = 64 * 1024
_SECRET_PREFIX = "AGE-SECRET-KEY-1"  # noqa: S105 - of every key


def parse_recipients(texts: Sequence[str]) -> list[x25519.Recipient]:
    """Reads public keys such as `age1…`.

    Raises:
        BackupRefused: names every text that is none. A secret key is not repeated.
    """
    recipients: list[x25519.Recipient] = []
    wrong: list[str] = []
    for number, text in enumerate(texts, 1):
        try:
            recipients.append(x25519.Recipient.from_str(text))
        except pyrage.RecipientError:
            is_secret = text.upper().startswith(_SECRET_PREFIX)
            wrong.append(f"recipient {number} is a secret key: give its public key, age1…" if is_secret else repr(text))
    if wrong:
        raise BackupRefused(f"not a recipient, which is a public key age1… of `age-keygen`: {'; '.join(wrong)}")
    return recipients


def read_identities(path: Path) -> list[x25519.Identity]:
    """Reads the secret keys of a file that `age-keygen` wrote.

    Raises:
        BackupRefused: the file cannot be read, or names every wrong line, without its content.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackupRefused(f"cannot read the identity {path}: {error}") from None
    if text.startswith(tuple(magic.decode() for magic in _MAGIC)):
        raise BackupRefused(f"the identity {path} is encrypted itself: decrypt it with `age -d` first")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    identities: list[x25519.Identity] = []
    wrong: list[str] = []
    for number, line in lines:
        if line and not line.startswith("#"):
            try:
                identities.append(x25519.Identity.from_str(line))
            except pyrage.IdentityError:
                wrong.append(f"line {number} is not a secret key {_SECRET_PREFIX}…")
    if wrong or not identities:
        raise BackupRefused(f"the identity {path} is wrong: {'; '.join(wrong) or 'it holds no secret key'}")
    return identities


def is_encrypted(path: Path) -> bool:
    """Whether a file is in the format of age."""
    with path.open("rb") as file:
        return file.read(len(_ARMOR)).startswith(_MAGIC)


def encrypt_file(plain: Path, target: Path, recipients: Sequence[x25519.Recipient]) -> None:
    """Writes a new file that only this user and the owners of the keys can read, decrypts it, and compares both.

    The check needs a key. It exists only here and is forgotten: nobody but the recipients reads the file later.

    Raises:
        BackupRefused: the written file does not decrypt to the plain one.
    """
    passing = x25519.Identity.generate()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with plain.open("rb") as source, os.fdopen(descriptor, "wb") as file:
        written = _Output(file.write)
        try:
            pyrage.encrypt_io(source, written, [*recipients, passing.to_public()])
        except (pyrage.EncryptError, OSError) as error:
            raise written.error or BackupRefused(f"{plain.name} cannot be encrypted: {error}") from None
        file.flush()
        os.fsync(file.fileno())
    digest = hashlib.sha256()
    _decrypt(target, _Output(digest.update), [passing])
    if digest.hexdigest() != digest_of(plain)[1]:
        raise BackupRefused("the encrypted file differs from what was encrypted")


def decrypt_file(encrypted: Path, target: Path, identities: Sequence[x25519.Identity]) -> None:
    """Writes a new file that only this user can read.

    Raises:
        BackupRefused: no key fits, or the file is damaged. The output that was written so far must not be used.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _decrypt(encrypted, _Output(file.write), identities)


class _Output:
    """Keeps the error of a write, which pyrage replaces by one of its own without an errno."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing: the owner of the file flushes it."""


def _decrypt(encrypted: Path, output: _Output, identities: Sequence[x25519.Identity]) -> None:
    if not _has_short_header(encrypted):
        raise BackupRefused(f"{encrypted} is damaged or cut off: its header does not end")
    with encrypted.open("rb") as source:
        try:
            pyrage.decrypt_io(source, output, list(identities))
        except (pyrage.DecryptError, OSError) as error:
            if output.error is not None:
                raise output.error from None
            if "No matching keys" in str(error):
                raise BackupRefused(f"{encrypted} is not encrypted to this identity") from None
            raise BackupRefused(f"{encrypted} is damaged or cut off: {error}") from None


def _has_short_header(encrypted: Path) -> bool:
    with encrypted.open("rb") as file:
        begin = file.read(_MAX_HEADER)
    if begin.startswith(_ARMOR):
        text = b"".join(begin.removeprefix(_ARMOR).partition(b"-----END")[0].split())
        try:
            begin = binascii.a2b_base64(text[: len(text) // 4 * 4])
        except binascii.Error:
            return False
    return b"\n---" in begin
