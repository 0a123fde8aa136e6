"""API keys: their state, what is wrong with one, what is to be warned of, and from which networks it may be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypedDict, TypeVar

from adsum.accounts.access import Permission
from adsum.accounts.rules import unknown_school
from adsum.platform.addresses import plain_address
from adsum.platform.errors import Conflict, Forbidden, Unauthenticated, Violation

MAX_NAME = 255
MAX_NETWORKS = 50
# The time before the expiry of a key in which lists, the doctor, the log and the metrics warn.
EXPIRES_SOON = timedelta(days=14)
# Later times are mistakes, and the last ones cannot be converted to UTC.
MAX_LIFETIME = timedelta(days=36_525)
EVERYWHERE = ("0.0.0.0/0", "::/0")
MAX_OVERLAP = timedelta(days=90)
# Secrets of one key that work at once.
MAX_SECRETS = 5

Network = IPv4Network | IPv6Network
Value = TypeVar("Value", bound=Hashable)


class KeyExpired(Unauthenticated):
    """The API key was valid until it expired."""

    code = "api_key_expired"


class AddressNotAllowed(Forbidden):
    """The API key may not be used from the address of the request."""

    code = "address_not_allowed"


class TooManySecrets(Conflict):
    """The key was rotated several times, and the overlaps have not ended."""

    code = "too_many_secrets"


class KeyEnded(Conflict):
    """The key is revoked or has expired."""

    code = "api_key_ended"


class KeyState(StrEnum):
    """Only an active key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyWarning(StrEnum):
    """A condition of a working key that an admin should repair."""

    EXPIRES_SOON = "expires_soon"
    # It does not expire, or later than ADSUM_KEY_MAX_DAYS allows today.
    LASTS_TOO_LONG = "lasts_too_long"
    OWNER_MISSING = "owner_missing"
    OWNER_DISABLED = "owner_disabled"


@dataclass(frozen=True, slots=True)
class Owner:
    """The user who is responsible for a key. `disabled`: they cannot sign in, for example because they left."""

    id: int
    email: str | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a key. `ends_at` None: the present one. The last use is noted every few minutes."""

    created_at: datetime
    ends_at: datetime | None = None
    last_used_at: datetime | None = None
    last_address: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secrets.

    Attributes:
        id, name, permissions, created_at, revoked_at: of the key.
        schools: None: all schools.
        owner: None: nobody is responsible.
        expires_at: None: never.
        networks: from which it may be used; None: from anywhere.
        secrets: those that work, the present one first.
        last_used_at, last_address: of any secret, also of one that has ended.
    """

    id: int
    name: str
    permissions: tuple[Permission, ...]
    schools: tuple[int, ...] | None
    created_at: datetime
    revoked_at: datetime | None
    owner: Owner | None = None
    expires_at: datetime | None = None
    networks: tuple[str, ...] | None = None
    secrets: tuple[Secret, ...] = ()
    last_used_at: datetime | None = None
    last_address: str | None = None

    @property
    def only_school(self) -> int | None:
        """The school of the key; None: it has several, or all."""
        return self.schools[0] if self.schools is not None and len(self.schools) == 1 else None

    def state(self, now: datetime) -> KeyState:
        """Whether the key works."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.EXPIRED if self.expires_at is not None and self.expires_at <= now else KeyState.ACTIVE


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with a new secret, which can be shown only now."""

    key: ApiKey
    secret: str


class KeyChanges(TypedDict, total=False):
    """New values of a key. `owner` is an email; `expires_at` and `networks` None: as far as the caller may."""

    name: str
    owner: str
    expires_at: datetime | None
    networks: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Until when a caller may let a key last, and from where they may let it be used. None: without a bound."""

    expires_at: datetime | None
    networks: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Whether a key works, and what is to be warned of. A key that does not work needs no warning."""

    state: KeyState
    warnings: tuple[KeyWarning, ...] = ()


def status_of(key: ApiKey, now: datetime, max_lifetime: timedelta | None) -> KeyStatus:
    """The status of a key. `max_lifetime` None: keys may last for ever."""
    state = key.state(now)
    if state is not KeyState.ACTIVE:
        return KeyStatus(state)
    left = None if key.expires_at is None else key.expires_at - now
    found = {
        KeyWarning.EXPIRES_SOON: left is not None and left <= EXPIRES_SOON,
        KeyWarning.LASTS_TOO_LONG: max_lifetime is not None and (left is None or left > max_lifetime),
        KeyWarning.OWNER_MISSING: key.owner is None,
        KeyWarning.OWNER_DISABLED: key.owner is not None and key.owner.disabled,
    }
    return KeyStatus(state, tuple(warning for warning, holds in found.items() if holds))


def bounded_expiry(
    expires_at: datetime | None, bounds: Bounds, now: datetime, violations: list[Violation]
) -> datetime | None:
    """The expiry of a key; None: as late as the bounds allow. Violations are added."""
    if expires_at is None:
        return bounds.expires_at
    if expires_at <= now:
        violations.append(Violation("expiry_past", "the key would have expired already", "/expiresAt"))
    elif expires_at > (latest_expiry := bounds.expires_at or now + MAX_LIFETIME):
        latest = latest_expiry.isoformat(timespec="seconds")
        detail = f"the key may last until {latest} at most"
        violations.append(Violation("expiry_too_late", detail, "/expiresAt", {"latest": latest}))
    return expires_at


def bounded_networks(
    networks: Sequence[str] | None, bounds: Bounds, violations: list[Violation]
) -> tuple[str, ...] | None:
    """The networks of a key in their plain form; None: those of the bounds. Violations are added."""
    if networks is None:
        return bounds.networks
    read = read_networks(networks, violations)
    if bounds.networks is not None and not contains(bounds.networks, read):
        detail = "the calling key may not be used from all of these networks"
        violations.append(Violation("network_not_allowed", detail, "/networks"))
    return read


def violations_of_bounds(key: ApiKey, bounds: Bounds, now: datetime) -> list[Violation]:
    """Whether a key that works lasts longer than the bounds allow, or works from elsewhere."""
    violations: list[Violation] = []
    if bounds.expires_at is not None:
        bounded_expiry(key.expires_at or datetime.max.replace(tzinfo=UTC), bounds, now, violations)
    if bounds.networks is not None:
        bounded_networks(key.networks or EVERYWHERE, bounds, violations)
    return violations


def validate_key(
    name: str, permissions: tuple[Permission, ...], schools: tuple[int, ...] | None, school_ids: Collection[int]
) -> list[Violation]:
    """Every violation of a new key. `school_ids`: the schools that the caller sees."""
    violations = validate_key_name(name)
    if not permissions:
        violations.append(Violation("permissions_missing", "a key needs at least one permission", "/permissions"))
    if schools == ():
        violations.append(
            Violation("schools_missing", "name at least one school, or omit schools for all of them", "/schools")
        )
    violations.extend(
        unknown_school(school_id, "/schools") for school_id in sorted(set(schools or ())) if school_id not in school_ids
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


def validate_key_name(name: str) -> list[Violation]:
    """The violation of a wrong name."""
    if name.strip() and len(name) <= MAX_NAME and name.isprintable():
        return []
    return [Violation("wrong_name", f"a key needs a name of 1 to {MAX_NAME} visible characters", "/name")]


def _repeated(values: Iterable[Value]) -> list[Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address is in one of these networks. That of a unix socket (None) is in no network."""
    plain = None if address is None else plain_address(address)
    return plain is not None and any(plain in network for network in _parsed(networks))


def contains(networks: tuple[str, ...], others: Collection[str]) -> bool:
    """Whether each of the other networks is part of one of these."""
    return all(any(_is_part(other, network) for network in _parsed(networks)) for other in _parsed(tuple(others)))


def read_networks(texts: Sequence[str], violations: list[Violation]) -> tuple[str, ...]:
    """Networks in their plain form; wrong ones are added to `violations`. An address is a network of its own."""
    if not texts:
        detail = "name at least one network, or omit networks for all of them"
        violations.append(Violation("networks_missing", detail, "/networks"))
    if len(texts) > MAX_NETWORKS:
        detail = f"a key has at most {MAX_NETWORKS} networks"
        violations.append(Violation("too_long", detail, "/networks", {"maximum": MAX_NETWORKS}))
        return ()
    read: dict[str, None] = {}
    for index, text in enumerate(texts):
        network = _network(text, f"/networks/{index}", violations)
        if network is not None and network in read:
            detail = f"the network {network} is named twice"
            violations.append(Violation("network_repeated", detail, f"/networks/{index}", {"network": network}))
        elif network is not None:
            read[network] = None
    return tuple(read)


def _network(text: str, pointer: str, violations: list[Violation]) -> str | None:
    try:
        parsed = ip_network(text.strip(), strict=False)
    except ValueError:
        detail = f"{text[:60]!r} is neither an address nor a network, such as 10.0.0.7 or 10.0.0.0/8"
        violations.append(Violation("wrong_network", detail, pointer))
        return None
    plain = _plain(parsed)
    try:
        ip_network(text.strip())
    except ValueError:
        detail = f"{text.strip()} is an address within {parsed}: send {plain} for the network"
        violations.append(Violation("wrong_network", detail, pointer, {"network": str(plain)}))
        return None
    return str(plain)


def _plain(network: Network) -> Network:
    """The network itself, or the one of IPv4 that is mapped to it."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


@lru_cache(maxsize=1_024)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, networks))


def _is_part(other: Network, network: Network) -> bool:
    if isinstance(other, IPv4Network):
        return isinstance(network, IPv4Network) and other.subnet_of(network)
    return isinstance(network, IPv6Network) and other.subnet_of(network)
