"""API keys for programs: shown once, stored hashed, each with permissions and schools of its own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts import keys_repository as statements
from adsum.accounts import repository as accounts
from adsum.accounts.access import Caller, Permission, Role
from adsum.accounts.keys_repository import StoredKey
from adsum.platform.coalescer import BatchedLookup
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound, Unauthenticated, Violation

PREFIX = "adsum_"  # so that a scanner of repositories knows what it found
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `schools` None: every school."""

    id: int
    name: str
    permissions: tuple[Permission, ...]
    schools: tuple[int, ...] | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with its secret, which can be shown now and never again."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Makes and revokes API keys, and knows the caller of one."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = BatchedLookup(database, statements.keys_of_hashes)
        self._now = now

    async def create(
        self, name: str, permissions: Collection[Permission], schools: Collection[int] | None = None
    ) -> NewKey:
        """A new key.

        Args:
            name: for people, so that they know which one to revoke.
            permissions: at least one.
            schools: ids of the schools that it is confined to; None: every school.

        Raises:
            Invalid: with a violation for each thing that is wrong.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        ordered = tuple(sorted(set(permissions)))
        within = None if schools is None else tuple(sorted(set(schools)))
        async with self._database.transaction() as connection:
            violations = _violations(name, ordered, within, await accounts.school_ids(connection))
            if violations:
                raise Invalid(violations[0].detail, violations)
            now = self._now()
            key_id = await statements.insert_key(
                connection,
                name=name,
                secret_hash=_hashed(secret),
                permissions=[permission.value for permission in ordered],
                schools=within,
                created_at=now,
            )
        return NewKey(ApiKey(key_id, name, ordered, within, now, None), secret)

    async def list_keys(self) -> list[ApiKey]:
        """All keys, revoked ones too, in the order in which they were made."""
        async with self._database.snapshot() as connection:
            return [_key(row) for row in await statements.all_keys(connection)]

    async def revoke(self, key_id: int) -> None:
        """Ends a key at once and for ever. Raises NotFound."""
        async with self._database.transaction() as connection:
            known = await statements.revoke_key(connection, key_id, self._now())
        if not known:
            raise NotFound(f"there is no key {key_id}")

    async def caller_of(self, secret: str) -> Caller:
        """Whose key this is. Raises Unauthenticated."""
        row = await self._keys.find(_hashed(secret))
        if row is None or row.revoked_at is not None:
            raise Unauthenticated("the API key is not valid")
        key = _key(row)
        return Caller(
            role=Role.KEY,
            permissions=frozenset(key.permissions),
            key_id=key.id,
            schools=None if key.schools is None else frozenset(key.schools),
        )

    async def close(self) -> None:
        """Ends what is being looked up. To be called when nobody asks any more."""
        await self._keys.close()


def _hashed(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _violations(
    name: str, permissions: tuple[Permission, ...], schools: tuple[int, ...] | None, known: Collection[int]
) -> list[Violation]:
    violations: list[Violation] = []
    if not name.strip() or len(name) > MAX_NAME:
        violations.append(Violation("wrong_name", f"a key needs a name of 1 to {MAX_NAME} characters", "/name"))
    if not permissions:
        violations.append(Violation("permissions_missing", "a key needs at least one permission", "/permissions"))
    if schools == ():
        violations.append(
            Violation("schools_missing", "name a school, or leave schools out for all of them", "/schools")
        )
    violations.extend(
        Violation("unknown_school", f"there is no school {school_id}", "/schools", {"schoolId": school_id})
        for school_id in schools or ()
        if school_id not in known
    )
    return violations


def _key(row: StoredKey) -> ApiKey:
    # A permission that a newer version has stored is none to this one.
    permissions = tuple(permission for permission in Permission if permission.value in row.permissions)
    schools = None if row.schools is None else tuple(row.schools)
    return ApiKey(row.id, row.name, permissions, schools, row.created_at, row.revoked_at)
