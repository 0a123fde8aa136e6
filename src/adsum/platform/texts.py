"""Free texts: their greatest lengths, and the characters that no database stores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adsum.platform.errors import Violation

MAX_NOTE = 500
MAX_REASON = 500
# NUL, and halves of UTF-16 pairs.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def validate_note(note: str | None, pointer: str = "/note") -> Iterator[Violation]:
    """The violations in a note; None has none."""
    return _validate_text("note", note, MAX_NOTE, pointer)


def validate_reason(reason: str | None) -> Iterator[Violation]:
    """The violations in the reason of a change; None has none."""
    return _validate_text("reason", reason, MAX_REASON, "/reason")


def _validate_text(name: str, text: str | None, limit: int, pointer: str) -> Iterator[Violation]:
    if text is None:
        return
    if len(text) > limit:
        yield Violation(f"{name}_too_long", f"a {name} has at most {limit} characters", pointer, {"most": limit})
    elif UNSTORABLE.search(text):
        yield Violation(f"{name}_not_text", f"a {name} must not contain NUL or unpaired surrogates", pointer)
