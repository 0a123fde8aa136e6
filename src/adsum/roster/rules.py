"""Who is enrolled in a class on a day, as a version that a client can send back.

The version is the roster itself, packed: so that a later reader can say who joined and who left, and nothing has to
be stored for it. It holds ids only.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

MAX_VERSION_LENGTH = 200_000
_MAX_PACKED = 8 * 100_000


class WrongVersion(ValueError):
    """A text that this module has not made."""


@dataclass(frozen=True, slots=True)
class RosterChange:
    """Ids of those who joined and who left since the roster that the caller saw, each in order."""

    joined: tuple[int, ...]
    left: tuple[int, ...]


def roster_version(student_ids: Iterable[int]) -> str:
    """The version of a roster; the order of the ids does not matter."""
    ids = sorted(student_ids)
    gaps = [after - before for before, after in zip([0, *ids], ids, strict=False)]
    packed = zlib.compress(struct.pack(f"<{len(gaps)}q", *gaps), level=6)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def roster_change(version: str, student_ids: Iterable[int]) -> RosterChange | None:
    """What changed between the roster of `version` and `student_ids`, or None where nothing did.

    Raises:
        WrongVersion: the text is no roster version.
    """
    before, after = _unpacked(version), frozenset(student_ids)
    if before == after:
        return None
    return RosterChange(joined=tuple(sorted(after - before)), left=tuple(sorted(before - after)))


def _unpacked(version: str) -> frozenset[int]:
    try:
        inflate = zlib.decompressobj()
        packed = inflate.decompress(
            base64.b64decode(version + "=" * (-len(version) % 4), b"-_", validate=True), _MAX_PACKED
        )
        gaps = struct.unpack(f"<{len(packed) // 8}q", packed)
    except (binascii.Error, ValueError, zlib.error, struct.error):
        raise WrongVersion("this is no roster version") from None
    if not inflate.eof:
        raise WrongVersion("this is no roster version")
    ids: list[int] = []
    for gap in gaps:
        ids.append((ids[-1] if ids else 0) + gap)
    return frozenset(ids)
