"""Replaces the signing key in its file. The previous key verifies for a while, so that nobody is signed out."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from adsum.platform.errors import AdsumError
from adsum.platform.signing_keys import SigningKey, WrongKeys, format_keys, parse_keys


class RotationRefused(AdsumError):
    """The keys were not rotated; the file is as it was."""

    code = "rotation_refused"


def rotate(path: Path, keep: timedelta, now: datetime) -> tuple[SigningKey, ...]:
    """Writes a new key in front of the others and returns all. Processes that run find it at their next request.

    Args:
        path: the file with the keys.
        keep: how long earlier keys still verify at most. Ended keys stay in the file: stored data may need them.
        now: the current time.

    Raises:
        RotationRefused: the file is missing or wrong, or cannot be written.
    """
    path = path.resolve()  # a link stays
    try:
        with _locked(path.parent):
            current, *earlier = _read(path)
            ends_at = now.replace(microsecond=0) + keep
            keys = (SigningKey(secrets.token_hex(32)), SigningKey(current.secret, ends_at), *_ending(earlier, ends_at))
            _replace(path, format_keys(keys))
    except OSError as error:
        raise RotationRefused(f"{path} cannot be written: {error.strerror}") from None
    return keys


def _ending(earlier: Sequence[SigningKey], ends_at: datetime) -> list[SigningKey]:
    """The earlier keys, which end at `ends_at` at the latest: a thief of the file would have all of them."""
    return [SigningKey(key.secret, min(key.ends_at or ends_at, ends_at)) for key in earlier]


def _read(path: Path) -> tuple[SigningKey, ...]:
    try:
        return parse_keys(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RotationRefused(f"there is no key in {path} yet: `adsum up` makes it") from None
    except (WrongKeys, UnicodeDecodeError) as error:
        raise RotationRefused(f"the keys in {path} are wrong: {error}") from None


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lets rotations at the same time wait for each other, so that none is lost."""
    if not folder.is_dir():
        raise RotationRefused(f"there is no folder {folder}")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Replaces the content at once. Owner and permissions stay."""
    before = path.stat()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
