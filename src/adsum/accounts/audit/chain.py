"""The chain of entries: each hash covers an entry and the hash before it, and signatures cover both ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from adsum.platform.keys import KeyPurpose, KeyRing

Columns = Mapping[str, str | None]
"""An entry as it is stored: the text of each column, without those of the chain."""


@dataclass(frozen=True, slots=True)
class Link:
    """The position of an entry in the chain, and its hash. Positions have no gaps, and begin at 1."""

    position: int
    hash: str

    def next(self, entry: Columns) -> Link:
        """The link of the entry that follows this one."""
        position = self.position + 1
        # Without the columns that are NULL, so that a column of a later version leaves earlier hashes as they are.
        content = {name: text for name, text in entry.items() if text is not None} | {"position": str(position)}
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return Link(position, hashlib.sha256(f"{self.hash}\n{canonical}".encode(errors="replace")).hexdigest())


START = Link(0, "0" * 64)
"""The link before the first entry."""


class End(StrEnum):
    """The ends of the chain. The text is part of the signature: it never changes."""

    NEWEST = "newest"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Chain:
    """The stored state of the chain: the links of the newest and of the last pruned entry, with their signatures."""

    newest: Link = START
    signature: str | None = None
    pruned: Link = START
    pruned_signature: str | None = None
    logged_position: int = 0


class ChainKeys:
    """Signs the ends of the chain with a key that is derived from the signing keys, and checks signatures.

    Nobody who has the database alone can make a signature. Only this class uses the key.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def sign(self, end: End, link: Link) -> str:
        """The signature by the newest key. Raises ConfigurationError without a key."""
        return self._keys.sign(KeyPurpose.AUDIT, _signed(end, link))

    def is_signed(self, chain: Chain) -> bool:
        """Whether the signatures of both ends are right, by any key that is still valid.

        Raises ConfigurationError without a key.
        """
        return self._is_right(End.NEWEST, chain.newest, chain.signature) and self._is_right(
            End.PRUNED, chain.pruned, chain.pruned_signature
        )

    def is_by_newest_key(self, chain: Chain) -> bool:
        """Whether both signatures are of the key that signs now. Raises ConfigurationError without a key."""
        ends = (
            (End.NEWEST, chain.newest, chain.signature),
            (End.PRUNED, chain.pruned, chain.pruned_signature),
        )
        return all(link == START or self.sign(end, link) == signature for end, link, signature in ends)

    def _is_right(self, end: End, link: Link, signature: str | None) -> bool:
        if link == START:  # nothing has been sealed, or pruned
            return True
        return self._keys.is_signed(KeyPurpose.AUDIT, _signed(end, link), signature or "")


def _signed(end: End, link: Link) -> bytes:
    return f"{end}|{link.position}|{link.hash}".encode()
