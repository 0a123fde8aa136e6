"""API keys of programs. A secret is shown once and stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from adsum.accounts.access import Caller, Permission, Role, require_confirmed, require_permission, system_caller
from adsum.accounts.api_keys import repository as statements
from adsum.accounts.api_keys.access import find_owner, require_key, require_may_grant, sees_key, unknown_owner
from adsum.accounts.api_keys.repository import StoredKey
from adsum.accounts.api_keys.rules import (
    MAX_OVERLAP,
    MAX_SECRETS,
    AddressNotAllowed,
    ApiKey,
    Bounds,
    KeyChanges,
    KeyEnded,
    KeyExpired,
    KeyState,
    KeyStatus,
    NewKey,
    Owner,
    Secret,
    TooManySecrets,
    bounded_expiry,
    bounded_networks,
    is_within,
    status_of,
    validate_key,
    validate_key_name,
    violations_of_bounds,
)
from adsum.accounts.api_keys.uses import NOTED_EVERY, KeyUses
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_named_school
from adsum.accounts.repository import keep_user
from adsum.accounts.repository import school_ids as ids_of_schools
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.lookups import BatchedLookup
from adsum.platform.errors import Unauthenticated, Violation, refuse
from adsum.platform.settings import Settings
from adsum.platform.telemetry import logger

PREFIX = "adsum_"  # lets secret scanners recognise a key
log = logger(__name__)


def key_lifetime(settings: Settings) -> timedelta | None:
    """The longest time that a key may last; None: for ever."""
    return timedelta(days=settings.key_max_days) or None


class ApiKeys:
    """Creates, lists, changes, rotates, revokes and verifies API keys.

    The methods that manage keys raise Forbidden without `key:manage`, all but those that read and revoke also
    ConfirmationNeeded if the caller's sign-in was confirmed too long ago, and NotFound for a key of a school that the
    caller does not see. Nobody gets a secret of a key, or lets it last longer, that can do what they may not.

    Args:
        database: of the keys.
        now: the clock.
        max_lifetime: ADSUM_KEY_MAX_DAYS; None: keys may last for ever.
    """

    def __init__(self, database: Database, now: Clock, max_lifetime: timedelta | None = None) -> None:
        self._database = database
        self._keys = BatchedLookup(database, statements.keys_of_hashes)
        self._now = now
        self._max_lifetime = max_lifetime
        self._uses = KeyUses(database)

    async def create(
        self,
        name: str,
        permissions: Collection[Permission],
        schools: Collection[int] | None = None,
        *,
        owner: str | None = None,
        expires_at: datetime | None = None,
        networks: Sequence[str] | None = None,
        caller: Caller | None = None,
    ) -> NewKey:
        """Creates a key.

        Args:
            name: identifies the key for people.
            permissions: at least one, each once.
            schools: ids of the schools that the key may access, each once; None: all schools.
            owner: email of the user who is responsible; None: the calling user, or the owner of the calling key.
            expires_at: None: as late as the caller and the setting allow.
            networks: from which the key may be used; None: those of the calling key, else all.
            caller: None: the command line.

        Raises:
            Invalid: with all violations.
            Forbidden: the caller lacks a permission or a school of the key.
        """
        caller = caller or system_caller()
        require_permission(caller, Permission.KEY_MANAGE)
        require_confirmed(caller)
        secret = _new_secret()
        ordered = tuple(sorted(permissions))
        school_ids = None if schools is None else tuple(sorted(schools))
        async with self._database.transaction() as connection:
            now = self._now()
            visible = [each for each in await ids_of_schools(connection) if caller.may_grant((), [each])]
            violations = validate_key(name, ordered, school_ids, visible)
            bounds = await self._bounds(connection, caller, now)
            expires_at = bounded_expiry(expires_at, bounds, now, violations)
            checked = bounded_networks(networks, bounds, violations)
            owner_id = await self._owner_id(connection, caller, owner, violations)
            refuse(violations)
            require_may_grant(caller, ordered, school_ids)
            values: dict[str, Any] = {"name": name.strip(), "secret_hash": _hashed(secret), "created_at": now}
            values |= {"permissions": [permission.value for permission in ordered], "schools": school_ids}
            values |= {"owner_id": owner_id, "expires_at": expires_at, "networks": checked}
            key_id = await statements.insert_key(connection, values)
            key = await self._key(connection, key_id, now)
            after = {"permissions": key.permissions, "schools": key.schools, **_terms(key)}
            await record(
                *(connection, caller, Action.KEY_CREATED),
                school_id=key.only_school,
                user_id=owner_id,
                key_id=key_id,
                after=after,
            )
            return NewKey(key, secret)

    async def list_keys(self, caller: Caller | None = None, school_id: int | None = None) -> list[ApiKey]:
        """The keys whose schools the caller sees, by id; revoked and expired keys, too. None: the command line.

        With `school_id` those that are made for this school, without those of all schools. Raises NotFound: the
        caller does not see this school.
        """
        caller = caller or system_caller()
        require_permission(caller, Permission.KEY_MANAGE)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, school_id)
            now = self._now()
            rows = [each for each in await statements.all_keys(connection) if sees_key(caller, each)]
            return [key_of_row(each, now) for each in rows if school_id is None or school_id in (each.schools or ())]

    async def get(self, key_id: int, caller: Caller | None = None) -> ApiKey:
        """One key. Raises NotFound."""
        caller = caller or system_caller()
        require_permission(caller, Permission.KEY_MANAGE)
        async with self._database.snapshot() as connection:
            return key_of_row(require_key(await statements.key_of_id(connection, key_id), key_id, caller), self._now())

    async def change(self, key_id: int, changes: KeyChanges, caller: Caller | None = None) -> ApiKey:
        """Changes the name, the owner, the expiry or the networks. Permissions and schools of a key never change.

        Raises:
            Invalid: with all violations.
            Forbidden: the caller lacks a permission or a school of the key.
            KeyEnded: the key is revoked.
        """
        caller = caller or system_caller()
        async with self._database.transaction() as connection:
            now = self._now()
            key = await self._locked(connection, key_id, caller, now)
            if key.revoked_at is not None:
                raise KeyEnded("the key is revoked")
            await statements.update_key(connection, key_id, await self._values(connection, key, changes, caller, now))
            changed = await self._key(connection, key_id, now)
            before, after = _terms(key), _terms(changed)
            await record(
                connection,
                caller,
                Action.KEY_CHANGED,
                school_id=key.only_school,
                user_id=changed.owner and changed.owner.id,
                key_id=key_id,
                before={name: before[name] for name in before if before[name] != after[name]},
                after={name: after[name] for name in after if before[name] != after[name]},
            )
            return changed

    async def _values(
        self, connection: Connection, key: ApiKey, changes: KeyChanges, caller: Caller, now: datetime
    ) -> dict[str, Any]:
        """The columns of a changed key. Raises Invalid with all violations."""
        violations: list[Violation] = []
        bounds = await self._bounds(connection, caller, now)
        name = changes.get("name", key.name)
        violations += validate_key_name(name)
        expires_at, networks = key.expires_at, key.networks
        if "expires_at" in changes:
            expires_at = bounded_expiry(changes["expires_at"], bounds, now, violations)
        if "networks" in changes:
            networks = bounded_networks(changes["networks"], bounds, violations)
        owner_id = None if key.owner is None else key.owner.id
        if "owner" in changes:
            owner_id = await self._owner_id(connection, caller, changes["owner"], violations)
        refuse(violations)
        return {"name": name.strip(), "owner_id": owner_id, "expires_at": expires_at, "networks": networks}

    async def rotate(self, key_id: int, overlap: timedelta, caller: Caller | None = None) -> NewKey:
        """Gives the key a new secret. Earlier ones work for the overlap, or until their own end if that is sooner.

        Raises:
            Invalid: the overlap is negative or too long, or the calling key ends before this key or is limited to
                networks that are not all of this key's.
            Forbidden: the caller lacks a permission or a school of the key.
            KeyEnded: the key is revoked or has expired.
            TooManySecrets: `MAX_SECRETS` secrets would work.
        """
        caller = caller or system_caller()
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            detail = f"the overlap is at most {MAX_OVERLAP.days} days"
            params = {"maximum": int(MAX_OVERLAP.total_seconds())}
            refuse([Violation("out_of_range", detail, "/overlapSeconds", params)])
        secret = _new_secret()
        async with self._database.transaction() as connection:
            now = self._now()
            key = await self._locked(connection, key_id, caller, now)
            if key.state(now) is not KeyState.ACTIVE:
                raise KeyEnded(f"the key is {key.state(now)}")
            refuse(violations_of_bounds(key, await self._calling_bounds(connection, caller, now), now))
            if overlap and len(key.secrets) >= MAX_SECRETS:
                detail = (
                    f"{len(key.secrets)} secrets of this key work: wait for the end of one, or rotate without overlap"
                )
                raise TooManySecrets(detail)
            ends_at = now + overlap
            await statements.replace_secret(connection, key_id, _hashed(secret), now, ends_at)
            after = {"earlierSecretsEndAt": ends_at.isoformat()}
            school_id = key.only_school
            await record(connection, caller, Action.KEY_ROTATED, school_id=school_id, key_id=key_id, after=after)
            return NewKey(await self._key(connection, key_id, now), secret)

    async def revoke(self, key_id: int, caller: Caller | None = None) -> None:
        """Revokes a key for good, with all of its secrets.

        Needs `key:manage` and the schools of the key, not its permissions: a caller with fewer rights can stop a key.
        """
        caller = caller or system_caller()
        require_permission(caller, Permission.KEY_MANAGE)
        async with self._database.transaction() as connection:
            row = require_key(await statements.key_of_id(connection, key_id, locked=True), key_id, caller)
            if row.revoked_at is None:
                now = self._now()
                await statements.revoke_key(connection, key_id, now)
                school_id = key_of_row(row, now).only_school
                await record(connection, caller, Action.KEY_REVOKED, school_id=school_id, key_id=key_id)

    async def warned_keys(self) -> list[tuple[ApiKey, KeyStatus]]:
        """The keys with a warning. Checks no permission: for metrics and the log."""
        async with self._database.snapshot() as connection:
            now = self._now()
            keys = [key_of_row(row, now) for row in await statements.all_keys(connection)]
        return [(key, status) for key in keys if (status := self.status_of(key)).warnings]

    async def schools_of(self, caller: Caller) -> dict[int, str]:
        """The names of the schools whose keys the caller manages, by id."""
        require_permission(caller, Permission.KEY_MANAGE)
        async with self._database.snapshot() as connection:
            names = await statements.school_names(connection)
        return {school_id: name for school_id, name in names.items() if caller.may_grant((), [school_id])}

    def status_of(self, key: ApiKey) -> KeyStatus:
        """Whether a key works, and what an admin is to be warned of."""
        return status_of(key, self._now(), self._max_lifetime)

    async def caller_of(self, secret: str, address: str | None = None) -> Caller:
        """The caller of a key. Notes the use in the background.

        Args:
            secret: of the key.
            address: of the client, behind trusted proxies; None: a unix socket, or inside of this process.

        Raises:
            Unauthenticated: there is no such key, or it is revoked, or this secret has ended.
            KeyExpired: the key has expired.
            AddressNotAllowed: it may not be used from this address.
        """
        found = await self._keys.find(_hashed(secret))
        now = self._now()
        if found is None or found.revoked_at is not None or _is_over(found.secret_ends_at, now):
            raise Unauthenticated("the API key is not valid")
        if found.networks is not None and not is_within(address, tuple(found.networks)):
            # The answer says nothing about the key: it may be stolen.
            log.warning("an API key was used from an address that is not allowed", key_id=found.id)
            raise AddressNotAllowed(f"this API key is not allowed from {address or 'here'}")
        if _is_over(found.expires_at, now):
            raise KeyExpired("the API key has expired")
        if found.last_used_at is None or now - found.last_used_at >= NOTED_EVERY:
            self._uses.begin_noting(found, address, now)
        return Caller(
            role=Role.KEY,
            permissions=frozenset(_permissions(found.permissions)),
            key_id=found.id,
            schools=None if found.schools is None else frozenset(found.schools),
        )

    async def close(self) -> None:
        """Stops pending lookups, and waits until uses are noted. Called after the last request."""
        await self._uses.close()
        await self._keys.close()

    async def _key(self, connection: Connection, key_id: int, now: datetime) -> ApiKey:
        row = await statements.key_of_id(connection, key_id)
        assert row is not None, "keys are never deleted"
        return key_of_row(row, now)

    async def _locked(self, connection: Connection, key_id: int, caller: Caller, now: datetime) -> ApiKey:
        """A key that the caller may change: they have everything that it has."""
        require_permission(caller, Permission.KEY_MANAGE)
        require_confirmed(caller)
        row = await statements.key_of_id(connection, key_id, locked=True)
        key = key_of_row(require_key(row, key_id, caller), now)
        require_may_grant(caller, key.permissions, key.schools)
        return key

    async def _bounds(self, connection: Connection, caller: Caller, now: datetime) -> Bounds:
        """The bounds of the setting, and of the calling key, which makes no key that outlives it."""
        latest = None if self._max_lifetime is None else now + self._max_lifetime
        calling = await self._calling_bounds(connection, caller, now)
        ends = [end for end in (latest, calling.expires_at) if end is not None]
        return Bounds(min(ends, default=None), calling.networks)

    async def _calling_bounds(self, connection: Connection, caller: Caller, now: datetime) -> Bounds:
        """The bounds of the calling key; none for a user. No secret that it makes works longer, or from elsewhere."""
        if caller.key_id is None:
            return Bounds(None, None)
        calling = await self._key(connection, caller.key_id, now)
        return Bounds(calling.expires_at, calling.networks)

    async def _owner_id(
        self, connection: Connection, caller: Caller, email: str | None, violations: list[Violation]
    ) -> int | None:
        if email is None:
            if caller.user_id is not None:
                if not await keep_user(connection, caller.user_id):
                    raise Unauthenticated("there is no such user")
                return caller.user_id
            if caller.key_id is None:
                return None
            calling = await self._key(connection, caller.key_id, self._now())
            return None if calling.owner is None else calling.owner.id
        owner = await find_owner(connection, caller, email)
        if owner is None:
            violations.append(unknown_owner(email, "/owner"))
        return owner


def _terms(key: ApiKey) -> dict[str, Any]:
    """The values of a key for the audit log, without the name, which is free text."""
    expires_at = None if key.expires_at is None else key.expires_at.isoformat()
    return {"ownerId": key.owner and key.owner.id, "expiresAt": expires_at, "networks": key.networks}


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _hashed(secret: str) -> str:
    # A secret of 256 random bits cannot be guessed, so a fast hash is sufficient.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _is_over(end: datetime | None, now: datetime) -> bool:
    return end is not None and end <= now


def _permissions(names: Sequence[str]) -> tuple[Permission, ...]:
    # Ignores permissions that a newer version has stored.
    return tuple(permission for permission in Permission if permission.value in names)


def key_of_row(row: StoredKey, now: datetime) -> ApiKey:
    """The key of a stored row."""
    uses = [(each.last_used_at, each.last_address) for each in row.secrets if each.last_used_at is not None]
    last_used_at, last_address = max(uses, key=lambda use: use[0], default=(None, None))
    return ApiKey(
        row.id,
        row.name,
        _permissions(row.permissions),
        None if row.schools is None else tuple(row.schools),
        row.created_at,
        row.revoked_at,
        owner=None if row.owner_id is None else Owner(row.owner_id, row.owner_email, bool(row.owner_disabled)),
        expires_at=row.expires_at,
        networks=None if row.networks is None else tuple(row.networks),
        secrets=tuple(
            Secret(each.created_at, each.ends_at, each.last_used_at, each.last_address)
            for each in row.secrets
            if not _is_over(each.ends_at, now)
        ),
        last_used_at=last_used_at,
        last_address=last_address,
    )
