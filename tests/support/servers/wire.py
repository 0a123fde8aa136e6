"""Splits requests and replies of Postgres and Valkey into steps. Implements as much of both protocols as counting
needs.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Protocol

# Excludes FOR UPDATE.
_WRITTEN = re.compile(r"(INSERT INTO|^UPDATE|DELETE FROM) \w+", re.MULTILINE)


class Wire(Protocol):
    """Protocol of one connection. Both methods take bytes as they arrive and yield complete messages."""

    def split_requests(self, data: bytes) -> Generator[tuple[bytes, str | None]]:
        """Yields messages of the client, each with the step's name, or None if it is not a step."""
        ...

    def split_replies(self, data: bytes) -> Generator[tuple[bytes, bool]]:
        """Yields messages of the server, each with whether it ends the reply to a step."""
        ...


class RedisWire:
    """RESP 2 and 3: one step is one command, answered by one reply. A script has its own name."""

    def __init__(self) -> None:
        self._sent = b""
        self._received = b""

    def split_requests(self, data: bytes) -> Generator[tuple[bytes, str | None]]:
        self._sent += data
        while (end := _end_of_value(self._sent, 0)) is not None:
            piece, self._sent = self._sent[:end], self._sent[end:]
            yield piece, _command(piece)

    def split_replies(self, data: bytes) -> Generator[tuple[bytes, bool]]:
        self._received += data
        while (end := _end_of_value(self._received, 0)) is not None:
            piece, self._received = self._received[:end], self._received[end:]
            yield piece, not piece.startswith(b">")  # a push is not a reply


def _command(request: bytes) -> str:
    """Returns the name of a command, for a script with the names of the script and of its first key."""
    name, *others = (word.decode(errors="replace") for word in request.split(b"\r\n", 9)[2::2])
    if name.upper() != "EVALSHA":
        return name.upper()
    digest, _, key = (*others, "")[:3]  # a script may have no key
    return f"EVALSHA {_script_names().get(digest, digest)} {key}"


@cache
def _script_names() -> dict[str, str]:
    """Returns the names of BullMQ's scripts and of the queue's own, by their digests."""
    folders = files("bullmq") / "commands", files("adsum.batches.queue")
    scripts = (file for folder in folders for file in folder.iterdir() if file.name.endswith(".lua"))
    # BullMQ's names end with the number of keys.
    return {
        sha1(file.read_bytes(), usedforsecurity=False).hexdigest(): file.name.removesuffix(".lua").split("-")[0]
        for file in scripts
    }


def _end_of_value(data: bytes, start: int) -> int | None:
    """Returns the end of the value at `start`, or None if it is incomplete."""
    end_of_line = data.find(b"\r\n", start)
    if end_of_line < 0:
        return None
    kind, length, after = data[start : start + 1], data[start + 1 : end_of_line], end_of_line + 2
    if kind in b"$!=":
        end = after + (int(length) + 2 if int(length) >= 0 else 0)
        return end if end <= len(data) else None
    members = int(length) * (2 if kind in b"%|" else 1) if kind in b"*~>%|" else 0
    for _ in range(members):
        following = _end_of_value(data, after)
        if following is None:
            return None
        after = following
    return after


class PostgresWire:
    """Version 3 of Postgres' protocol: one step is a query or the messages before a Sync. ReadyForQuery ends it."""

    def __init__(self) -> None:
        self._sent = b""
        self._received = b""
        self._has_begun = False
        self._held = b""
        self._name = ""
        self._prepared: dict[bytes, str] = {}

    def split_requests(self, data: bytes) -> Generator[tuple[bytes, str | None]]:
        self._sent += data
        if not self._has_begun:
            if (end := _end_of_message(self._sent, 0)) is None:
                return
            self._has_begun = True
            piece, self._sent = self._sent[:end], self._sent[end:]
            yield piece, "startup"  # ReadyForQuery also ends the authentication
        while self._sent and (end := _end_of_message(self._sent, 1)) is not None:
            message, self._sent = self._sent[:end], self._sent[end:]
            self._held += message
            self._name = self._statement_of(message) or self._name
            if message[:1] in b"QSHX":
                held, self._held = self._held, b""
                yield held, (self._name or "sync") if message[:1] in b"QS" else None

    def _statement_of(self, message: bytes) -> str | None:
        """Returns the first words of a sent, prepared or bound statement, or None for other messages."""
        texts = message[5:].split(b"\0", 2)
        match message[:1]:
            case b"Q":
                return _beginning(texts[0])
            case b"P":
                self._prepared[texts[0]] = _beginning(texts[1])
                return self._prepared[texts[0]]
            case b"B":
                return self._prepared.get(texts[1], "execute")
            case _:
                return None

    def split_replies(self, data: bytes) -> Generator[tuple[bytes, bool]]:
        self._received += data
        while self._received and (end := _end_of_message(self._received, 1)) is not None:
            message, self._received = self._received[:end], self._received[end:]
            yield message, message[:1] == b"Z"


def _end_of_message(data: bytes, kind: int) -> int | None:
    """Returns the end of a message: `kind` bytes of type, then a length that includes itself."""
    if len(data) < kind + 4:
        return None
    end = kind + int.from_bytes(data[kind : kind + 4], "big")
    return end if end <= len(data) else None


def _beginning(statement: bytes) -> str:
    """Returns the first words of a statement. For a WITH, includes the first words of the writing part."""
    text = statement.decode(errors="replace")
    name = " ".join(text.split()[:3]).rstrip(";")
    written = _WRITTEN.search(text)
    return f"{name} {written[0]}" if name.startswith("WITH ") and written else name
