"""Passwords that are known from data breaches: looked up in the list of Have I Been Pwned, on this machine.

The list is a file of SHA-1 hashes in ascending order, one a line as `HASH` or `HASH:COUNT`, or a folder with one file
for each beginning of five digits, whose lines are `REST:COUNT`. Its downloader writes both. They have a thousand
million lines, and are never read as a whole. Hashes may be cut, all to the same number of digits.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from adsum.accounts.passwords.rules import normalised
from adsum.platform.errors import ConfigurationError, Unavailable
from adsum.platform.telemetry import logger

PREFIX_LENGTH = 5
# Of hashes that were cut: with fewer digits, good passwords would be found by chance.
MIN_DIGITS = 16
MAX_LINE = 64
# Looked at before the start.
SAMPLES = 32
# A list of another hash, which the same downloader writes.
_NTLM_DIGITS = 32
_LINE = re.compile(rb"([0-9A-Fa-f]+)(?::([0-9]{1,18}))?")

log = logger(__name__)


class UnusableList(Exception):
    """The list cannot be read, or is no such list. The text says why."""


class BreachedListUnavailable(Unavailable):
    """A password cannot be checked, so that it is not set."""

    code = "breached_passwords_unavailable"


@dataclass(frozen=True, slots=True)
class BreachedPasswords:
    """The list at a path. It is opened for each lookup, so that it can be replaced while Adsum runs."""

    path: Path

    async def contain(self, password: str) -> bool:
        """Whether the list has the password. Raises BreachedListUnavailable."""
        digest = hashlib.sha1(normalised(password).encode(errors="replace"), usedforsecurity=False).hexdigest()
        try:
            return await asyncio.to_thread(self._has, digest.upper().encode())
        except UnusableList as error:
            log.error("the list of breached passwords cannot be used", error=str(error))
            raise BreachedListUnavailable("new passwords cannot be checked now: tell those who run Adsum") from None

    def require_usable(self) -> None:
        """Reads a few lines. Raises ConfigurationError: the path is wrong, or this is another list."""
        try:
            self._check()
        except UnusableList as error:
            raise ConfigurationError(f"ADSUM_BREACHED_PASSWORDS: {error}") from None

    def _has(self, digest: bytes) -> bool:
        try:
            if self.path.is_dir():
                with self._part(digest[:PREFIX_LENGTH].decode()).open("rb") as part:
                    return _is_among(part, digest[PREFIX_LENGTH:])
            with self.path.open("rb") as file:
                return _found(_HashLines(file, self.path), digest)
        except OSError as error:
            raise UnusableList(f"cannot read {self.path}: {error.strerror}") from None

    def _check(self) -> None:
        if self.path.is_dir():
            for digest in (b"0" * 40, b"F" * 40):
                self._has(digest)
            return
        try:
            with self.path.open("rb") as file:
                _require_sorted(_HashLines(file, self.path))
        except OSError as error:
            raise UnusableList(f"cannot read {self.path}: {error.strerror}") from None

    def _part(self, prefix: str) -> Path:
        """The file of one beginning, with or without `.txt`."""
        named = self.path / f"{prefix}.txt"
        return named if named.exists() else self.path / prefix


@dataclass(frozen=True, slots=True)
class _HashLine:
    """One line, from `begin` to `end` of the file. `digits` in capital letters."""

    digits: bytes
    count: int
    begin: int
    end: int


class _HashLines:
    """The lines of a file, by place."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.size = file.seek(0, 2)
        if not self.size:
            raise UnusableList(f"{path} is empty")

    def at(self, place: int) -> _HashLine:
        """The line that contains this byte."""
        begin = max(0, place - MAX_LINE)
        self._file.seek(begin)
        block = self._file.read(place - begin + MAX_LINE)
        first = block.rfind(b"\n", 0, place - begin) + 1
        last = block.find(b"\n", place - begin)
        if (first == 0 and begin > 0) or (last < 0 and begin + len(block) < self.size):
            raise UnusableList(f"{self._path} has lines of more than {MAX_LINE} bytes: it is no list of hashes")
        end = len(block) if last < 0 else last + 1
        digits, count = _read(block[first:end], self._path)
        return _HashLine(digits, count, begin + first, begin + end)


def _read(line: bytes, path: Path) -> tuple[bytes, int]:
    found = _LINE.fullmatch(line.strip())
    if found is None or not MIN_DIGITS <= len(found[1]) <= 40:
        raise UnusableList(f"{path} has lines that are no SHA-1 hashes in hexadecimal digits")
    if len(found[1]) == _NTLM_DIGITS:
        raise UnusableList(f"{path} has NTLM hashes: download the list of SHA-1 hashes")
    # A count of 0 is padding, which hides how many hashes a beginning has.
    return found[1].upper(), 1 if found[2] is None else int(found[2])


def _found(lines: _HashLines, digest: bytes) -> bool:
    """Halves the file until a line is left: 36 lines of the whole list."""
    low, high = 0, lines.size
    while low < high:
        line = lines.at((low + high) // 2)
        wanted = digest[: len(line.digits)]
        if line.digits == wanted:
            return line.count > 0
        low, high = (low, line.begin) if wanted < line.digits else (line.end, high)
    return False


def _is_among(part: BinaryIO, rest: bytes) -> bool:
    """Whether one of the thousand lines of a beginning is the rest of the hash."""
    for line in part:
        digits, _, count = line.strip().partition(b":")
        if digits and rest.startswith(digits.upper()) and len(digits) >= MIN_DIGITS - PREFIX_LENGTH:
            return count != b"0"
    return False


def _require_sorted(lines: _HashLines) -> None:
    places: Sequence[int] = [(lines.size - 1) * number // SAMPLES for number in range(SAMPLES + 1)]
    found = [lines.at(place) for place in places]
    if len({len(line.digits) for line in found}) > 1:
        raise UnusableList("its hashes differ in length: cut all to the same number of digits")
    if any(one.digits > other.digits for one, other in pairwise(found)):
        raise UnusableList("its hashes are not in ascending order: sort them with LC_ALL=C sort")
