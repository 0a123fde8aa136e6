"""Tombstones: which students and staff were erased, without their names and ids.

A tombstone is a keyed hash of a school and a source id. Imports ask whether a row names somebody who was erased, and
leave it out. The key is a random number in the database, so a new signing key changes nothing.
See docs/decisions/0041.
"""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String, Table, delete, insert, select

from adsum.platform.database.columns import Instant, metadata, reference
from adsum.platform.database.engine import Connection
from adsum.platform.database.sql_files import sql_file

# An erased student or member of staff. Deleted only when they are readmitted.
tombstones = Table(
    "tombstones",
    metadata,
    reference("school"),
    Column("kind", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("erased_at", Instant, nullable=False),
    PrimaryKeyConstraint("school_id", "kind", "digest"),
)

# The key of all digests: one row, made by the first erasure.
tombstone_key = Table(
    "tombstone_key",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("secret", String(64), nullable=False),
)

_MAKE_KEY = sql_file("adsum.platform.database", "make_tombstone_key")


class Erased(StrEnum):
    """The kind of person whom a tombstone stands for."""

    STUDENT = "student"
    USER = "user"


SourceId = tuple[int, str]
"""A school id and a source id, which is unique at the school."""


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The erased people of one kind at some schools."""

    kind: Erased = Erased.STUDENT
    secret: str = ""
    digests: Mapping[int, AbstractSet[str]] = field(default_factory=dict[int, AbstractSet[str]])

    def has(self, school_id: int, source_id: str) -> bool:
        """Whether the person with this source id was erased at the school."""
        of_school = self.digests.get(school_id)
        return bool(of_school) and _digest(self.secret, self.kind, (school_id, source_id)) in of_school


NO_TOMBSTONES = Tombstones()


async def add_tombstones(connection: Connection, kind: Erased, people: Collection[SourceId], now: datetime) -> None:
    """Remembers that these people were erased. Call it in the transaction of the erasure, after their rows are deleted.

    Leave out a source id that still names somebody else at the school: imports would leave that person out.
    """
    if not people:
        return
    secret = await _secret(connection) or await _new_secret(connection)
    digests = {_digest(secret, kind, person): person[0] for person in sorted(set(people))}
    c = tombstones.c
    of_people = (c.school_id.in_(set(digests.values())), c.kind == kind.value, c.digest.in_(list(digests)))
    known = set(await connection.scalars(select(c.digest).where(*of_people)))
    rows = [
        {"school_id": school_id, "kind": kind.value, "digest": digest, "erased_at": now}
        for digest, school_id in digests.items()
        if digest not in known
    ]
    if rows:
        await connection.execute(insert(tombstones), rows)


async def was_erased(connection: Connection, kind: Erased, school_id: int, source_id: str) -> bool:
    """Whether the person with this source id was erased at the school: for one person. Locks nothing."""
    secret = await _secret(connection)
    if secret is None:
        return False
    c, digest = tombstones.c, _digest(secret, kind, (school_id, source_id))
    of_person = (c.school_id == school_id, c.kind == kind.value, c.digest == digest)
    return await connection.scalar(select(c.digest).where(*of_person)) is not None


async def find_tombstones(connection: Connection, kind: Erased, school_ids: Collection[int]) -> Tombstones:
    """The tombstones of these schools: for a file, which asks for each line. Locks nothing."""
    c = tombstones.c
    query = select(c.school_id, c.digest).where(c.kind == kind.value, c.school_id.in_(sorted(school_ids)))
    digests = defaultdict[int, set[str]](set)
    for school_id, digest in await connection.execute(query):
        digests[school_id].add(digest)
    secret = await _secret(connection) if digests else None
    return Tombstones(kind, secret or "", dict(digests))


async def remove_tombstone(connection: Connection, kind: Erased, school_id: int, source_id: str) -> bool:
    """Lets imports add the person again. Returns whether they had been erased."""
    c, secret = tombstones.c, await _secret(connection)
    if secret is None:
        return False
    digest = _digest(secret, kind, (school_id, source_id))
    of_person = (c.school_id == school_id, c.kind == kind.value, c.digest == digest)
    return bool((await connection.execute(delete(tombstones).where(*of_person))).rowcount)


async def _secret(connection: Connection) -> str | None:
    """The key; None: nobody was erased yet."""
    return await connection.scalar(select(tombstone_key.c.secret))


async def _new_secret(connection: Connection) -> str:
    """Makes the key. Two transactions at once make one: the second waits for the first."""
    await _MAKE_KEY.fetch_all(connection, {"secret": secrets.token_hex(32)})
    secret = await _secret(connection)
    assert secret is not None
    return secret


def _digest(secret: str, kind: Erased, person: SourceId) -> str:
    school_id, source_id = person
    return hmac.digest(bytes.fromhex(secret), f"{kind.value} {school_id} {source_id}".encode(), "sha256").hex()
