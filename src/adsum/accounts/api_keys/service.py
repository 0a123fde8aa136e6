"""API keys of programs. A secret is shown once and stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.accounts.api_keys import repository as statements
from adsum.accounts.api_keys.repository import StoredKey
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import school_ids as ids_of_schools
from adsum.platform.clock import Clock
from adsum.platform.database.engine import BatchedLookup, Database
from adsum.platform.errors import NotFound, Unauthenticated, Violation, refuse

PREFIX = "adsum_"  # lets secret scanners recognise a key
MAX_NAME = 255

Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `schools` None: all schools."""

    id: int
    name: str
    permissions: tuple[Permission, ...]
    schools: tuple[int, ...] | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key with its secret, which can be shown only now."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Creates, lists, revokes and verifies API keys."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._keys = BatchedLookup(database, statements.keys_of_hashes)
        self._now = now

    async def create(
        self, name: str, permissions: Collection[Permission], schools: Collection[int] | None = None
    ) -> NewKey:
        """Creates a key.

        Args:
            name: identifies the key for people.
            permissions: at least one, each once.
            schools: ids of the schools that the key may access, each once; None: all schools.

        Raises:
            Invalid: with all violations.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        ordered = tuple(sorted(permissions))
        school_ids = None if schools is None else tuple(sorted(schools))
        async with self._database.transaction() as connection:
            refuse(_validate(name, ordered, school_ids, await ids_of_schools(connection)))
            now = self._now()
            key_id = await statements.insert_key(
                connection,
                name=name,
                secret_hash=_hashed(secret),
                permissions=[permission.value for permission in ordered],
                schools=school_ids,
                created_at=now,
            )
            await record(
                connection,
                system_caller(),
                Action.KEY_CREATED,
                school_id=school_ids[0] if school_ids and len(school_ids) == 1 else None,
                key_id=key_id,
                after={"permissions": [permission.value for permission in ordered], "schools": school_ids},
            )
        return NewKey(ApiKey(key_id, name, ordered, school_ids, now, None), secret)

    async def list_keys(self) -> list[ApiKey]:
        """All keys by id, revoked keys too."""
        async with self._database.snapshot() as connection:
            return [_key(row) for row in await statements.all_keys(connection)]

    async def revoke(self, key_id: int) -> None:
        """Revokes a key for good. Raises NotFound."""
        async with self._database.transaction() as connection:
            exists = await statements.revoke_key(connection, key_id, self._now())
            if exists:
                await record(connection, system_caller(), Action.KEY_REVOKED, key_id=key_id)
        if not exists:
            raise NotFound(f"there is no key {key_id}")

    async def caller_of(self, secret: str) -> Caller:
        """The caller of a key. Raises Unauthenticated."""
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
        """Stops pending lookups. Called after the last request."""
        await self._keys.close()


def _hashed(secret: str) -> str:
    # A secret of 256 random bits cannot be guessed, so a fast hash is sufficient.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _validate(
    name: str, permissions: tuple[Permission, ...], schools: tuple[int, ...] | None, school_ids: Collection[int]
) -> list[Violation]:
    violations: list[Violation] = []
    if not name.strip() or len(name) > MAX_NAME:
        violations.append(Violation("wrong_name", f"a key needs a name of 1 to {MAX_NAME} characters", "/name"))
    if not permissions:
        violations.append(Violation("permissions_missing", "a key needs at least one permission", "/permissions"))
    if schools == ():
        violations.append(
            Violation("schools_missing", "name at least one school, or omit schools for all of them", "/schools")
        )
    violations.extend(
        Violation("unknown_school", f"there is no school {school_id}", "/schools", {"schoolId": school_id})
        for school_id in sorted(set(schools or ()))
        if school_id not in school_ids
    )
    violations.extend(
        Violation("permission_repeated", f"the permission {permission} is named twice", "/permissions")
        for permission in _repeated(permissions)
    )
    violations.extend(
        Violation("school_repeated", f"school {school_id} is named twice", "/schools", {"schoolId": school_id})
        for school_id in _repeated(schools or ())
    )
    return violations


def _repeated(values: Iterable[Value]) -> list[Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def _key(row: StoredKey) -> ApiKey:
    # Ignores permissions that a newer version has stored.
    permissions = tuple(permission for permission in Permission if permission.value in row.permissions)
    schools = None if row.schools is None else tuple(row.schools)
    return ApiKey(row.id, row.name, permissions, schools, row.created_at, row.revoked_at)
