"""Checks of the database, of Valkey or Redis, and of this machine."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from adsum.accounts.passwords.breached import BreachedPasswords
from adsum.operations.doctor.findings import FIX, Finding, Severity, counted, error, has_no_error, ok, warning
from adsum.operations.doctor.inspected_server import InspectedServer
from adsum.operations.repository import (
    DatabaseFacts,
    database_facts,
    ensure_writable,
    has_left_checks,
)
from adsum.platform.addresses import Host, written
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.database.revision import MigrationState, migration_state, newest_revision
from adsum.platform.errors import ConfigurationError, Unavailable, reason
from adsum.platform.redis.cluster import ClusterFacts
from adsum.platform.redis.inspection import RedisFacts, RedisInspection
from adsum.platform.redis.sentinel import SentinelFacts
from adsum.platform.signing_keys import SigningKey

# A server that takes longer for these few queries counts as unavailable.
SERVER_TIMEOUT_S = 5.0
DRIFT = timedelta(seconds=2)
MAX_DRIFT = timedelta(seconds=30)
OLDEST = {"PostgreSQL": (14,), "SQLite": (3, 38)}
OLDEST_REDIS = (6, 2)
MIN_SENTINELS = 3
FULL, NEARLY_FULL = 0.95, 0.8
OTHER_USERS = stat.S_IRWXG | stat.S_IRWXO
LOW_SPACE = 1024**3
NO_SPACE = 200 * 1024**2


def check_connections(*servers: InspectedServer) -> Finding:
    """Warns of connections that others in the network can read or answer."""
    exposed = [server for server in servers if not (server.is_here or server.is_verified)]
    if not exposed:
        return ok("connections", "to servers on this machine, or encrypted to servers that prove who they are")
    names = [server.name for server in exposed]
    message = f"not encrypted, or to a server that does not prove who it is: {', '.join(names)}"
    return warning("connections", message, "; ".join(server.encrypt for server in exposed))


async def check_database(database: Database, server: InspectedServer, now: Clock) -> list[Finding]:
    """Takes at most `SERVER_TIMEOUT_S`."""
    if database.is_missing:
        return [error("database", f"there is no database {server.name} yet", server.start)]
    try:
        async with asyncio.timeout(SERVER_TIMEOUT_S):
            before = now()
            facts = await database_facts(database)
            findings = [*_version(facts, server), *_clock("database clock", facts.clock, before, now())]
            state = await migration_state(database)
            findings.append(_migrations(state, has_left_checks=await has_left_checks(database)))
            if not facts.is_replica:
                await ensure_writable(database)
    except Unavailable as outage:
        return [
            error("database", f"{server.name} does not answer or cannot be written: {reason(outage)}", server.start)
        ]
    except TimeoutError:
        return [error("database", f"{server.name} did not answer within {SERVER_TIMEOUT_S:g} s", server.start)]
    return findings


def _version(facts: DatabaseFacts, server: InspectedServer) -> list[Finding]:
    version, oldest = _dotted(facts.version), OLDEST[facts.name]
    if facts.version < oldest:
        return [error("database", f"{facts.name} {version} is older than {_dotted(oldest)}", f"upgrade {facts.name}")]
    if facts.is_replica:
        return [error("database", f"{server.name} is a read-only replica", "set ADSUM_DATABASE_URL to the primary")]
    return [ok("database", f"{facts.name} {version}, {server.name}")]


def _migrations(state: MigrationState, *, has_left_checks: bool) -> Finding:
    if state is MigrationState.BEHIND:
        return error("migrations", "the database lacks migrations of this version", "adsum migrate")
    if state is MigrationState.AHEAD:
        return warning("migrations", "the database is at the schema of the next version", "update this installation")
    if state is MigrationState.INCOMPATIBLE:
        problem = "a version too new for this one has migrated the database"
        return error("migrations", problem, "update this installation")
    if has_left_checks:
        problem = (
            "`adsum year partition` is running or was killed: until it has ended, records of later years are refused"
        )
        return error("migrations", problem, "adsum migrate")
    return ok("migrations", f"at revision {newest_revision()}, which is this version's")


async def check_redis(
    inspections: Sequence[RedisInspection], server: InspectedServer, now: Clock
) -> tuple[list[Finding], bool]:
    """Checks the server of the home shard, which is that of the first inspection, and the other servers of a cluster.

    Returns the findings, and whether the home shard can be used. Takes at most `SERVER_TIMEOUT_S`, twice.
    """
    home, *others = inspections
    found = await asyncio.gather(
        *(_check_server(each, server, now, is_one_of_several=bool(others)) for each in inspections)
    )
    by_server: dict[Host | None, list[Finding]] = {}
    for inspection, its in zip(inspections, found, strict=True):
        # A server has several shards, and may refuse one of them.
        by_server[inspection.primary] = max(by_server.get(inspection.primary, its), its, key=_number_of_errors)
    findings = in_one(by_server)
    if not has_no_error(each for each in found[0] if each.check == "redis"):
        return findings, False
    try:
        async with asyncio.timeout(SERVER_TIMEOUT_S):
            if (sentinels := await home.sentinels()) is not None:
                findings.append(check_sentinels(sentinels))
            if (cluster := await home.cluster()) is not None:
                findings.append(check_cluster(cluster))
    except (Unavailable, TimeoutError) as outage:
        return [*findings, _outage(outage, server.name, server.start)], False
    return findings, True


async def _check_server(
    inspection: RedisInspection, server: InspectedServer, now: Clock, *, is_one_of_several: bool
) -> list[Finding]:
    """The findings about a server. One that refuses writes has those of its settings, too: they may be the reason."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(SERVER_TIMEOUT_S):
            before = now()
            facts = await inspection.facts()
            clock = _clock("redis clock", facts.clock, before, now())
            of_it = server.at(inspection.primary)
            findings = [*clock, _eviction(facts, of_it), _persistence(facts, of_it), _memory(facts)]
            if facts.primary is None and not facts.is_loading:
                await inspection.write()
    except (Unavailable, TimeoutError) as outage:
        primary = inspection.primary
        if is_one_of_several and primary is not None:
            return [_outage(outage, written(primary), server.at(primary).run("INFO")), *findings]
        mismatch = await server.mismatch(outage)
        return [mismatch or _outage(outage, server.name, server.start), *findings]
    return [_redis_version(facts, of_it), *findings]


def _outage(outage: Unavailable | TimeoutError, name: str, remedy: str) -> Finding:
    if isinstance(outage, Unavailable):
        return error("redis", f"{name} does not answer or refuses: {reason(outage)}", remedy)
    return error("redis", f"{name} did not answer within {SERVER_TIMEOUT_S:g} s", remedy)


def _number_of_errors(findings: Sequence[Finding]) -> int:
    return sum(each.severity is Severity.ERROR for each in findings)


def in_one(by_server: Mapping[Host | None, Sequence[Finding]]) -> list[Finding]:
    """The findings about several servers: each fault with its server, and one of each check without a fault."""
    first, *others = by_server.values()
    if not others:
        return list(first)
    whole: list[Finding] = []
    for check in dict.fromkeys(each.check for found in by_server.values() for each in found):
        of_check = [(server, each) for server, found in by_server.items() for each in found if each.check == check]
        named = [replace(each, message=_about(server, each.message)) for server, each in of_check]
        faults = [each for each in named if each.severity is not Severity.OK]
        messages = {each.message for _, each in of_check}
        same = f"{next(iter(messages))}, on each of {counted(len(of_check), 'server')}"
        whole += faults or [ok(check, same if len(messages) == 1 else "; ".join(each.message for each in named))]
    return whole


def _about(server: Host | None, message: str) -> str:
    """The message with the server, unless it begins with it."""
    name = "a server" if server is None else written(server)
    return message if message.startswith(f"{name} ") else f"{name}: {message}"


def _redis_version(facts: RedisFacts, server: InspectedServer) -> Finding:
    name = f"{facts.name} {facts.version}"
    if facts.redis_version < OLDEST_REDIS:
        return error("redis", f"{name} is older than Redis {_dotted(OLDEST_REDIS)}", "upgrade to Valkey 8 or Redis 7")
    if facts.primary is not None:
        primary = f"set ADSUM_REDIS_URL to its primary, {facts.primary}"
        return error("redis", f"{server.name} is a read-only replica", primary)
    if facts.is_loading:
        return error("redis", f"{name} still loads its data", "adsum doctor  # again, in a moment")
    return ok("redis", f"{name}, {server.name}")


def check_sentinels(facts: SentinelFacts) -> Finding:
    """Whether the Sentinels can replace the primary, and with what."""
    total = len(facts.answering) + len(facts.silent)
    answer = f"{len(facts.answering)} of {total} answer"
    if facts.no_quorum is not None:
        restart = "systemctl status valkey-sentinel  # on the machine of each Sentinel"
        return error("sentinels", f"{answer}, and they could not replace the primary: {facts.no_quorum}", restart)
    if facts.silent:
        host = facts.silent[0].rpartition(":")[0].strip("[]")
        restart = f"systemctl restart valkey-sentinel  # on {host}"
        return warning("sentinels", f"{answer}: {', '.join(facts.silent)} cannot be asked", restart)
    if not facts.replicas:
        message = f"{answer}, and no replica could take the place of the primary"
        return warning("sentinels", message, "add a replica, or start the one that is down")
    if facts.known < MIN_SENTINELS:
        message = f"the primary has {counted(facts.known, 'Sentinel')}: when one fails, the others are no majority"
        return warning("sentinels", message, f"add Sentinels until there are {MIN_SENTINELS}, and name all in the URL")
    return ok("sentinels", f"{answer}; {counted(facts.replicas, 'replica')}")


def check_cluster(facts: ClusterFacts) -> Finding:
    """Whether each slot has a primary, and each primary a replica."""
    total = counted(facts.primaries, "primary server")
    nodes = "valkey-cli CLUSTER NODES  # on one of its servers"
    if facts.uncovered:
        return error("cluster", f"{total}; {counted(facts.uncovered, 'slot')} without a server that is up", nodes)
    if facts.silent:
        host = facts.silent[0].rpartition(":")[0].strip("[]")
        message = f"{total}; {', '.join(facts.silent)} cannot be asked"
        return warning("cluster", message, f"systemctl restart valkey-server  # on {host}")
    if facts.without_replica:
        message = f"{total}; no replica could take the place of {', '.join(facts.without_replica)}"
        return warning("cluster", message, "add a replica, or start the one that is down")
    if facts.stops_as_whole:
        message = f"{total}; all of them refuse commands while one slot has no server"
        return warning("cluster", message, "CONFIG SET cluster-require-full-coverage no  # on each server")
    return ok("cluster", f"{total}, each with a replica")


def _eviction(facts: RedisFacts, server: InspectedServer) -> Finding:
    if facts.eviction == "noeviction":
        return ok("eviction", "maxmemory-policy is noeviction")
    message = f"maxmemory-policy is {facts.eviction}: a full server drops parts of the queue"
    return error("eviction", message, server.run("CONFIG SET maxmemory-policy noeviction"))


def _persistence(facts: RedisFacts, server: InspectedServer) -> Finding:
    if facts.failing_write is not None:
        message = f"the server could not write {facts.failing_write}: its disk may be full"
        return error("persistence", message, "df -h  # on the machine of the server")
    if facts.is_durable is None:
        return ok("persistence", "unknown: the provider hides it; lost keys are rebuilt from the database")
    if not facts.is_durable:
        message = "nothing is written to disk: after a restart every open batch waits for the sweeper"
        return warning("persistence", message, server.run("CONFIG SET appendonly yes"))
    return ok("persistence", "written to disk, last time without an error")


def _memory(facts: RedisFacts) -> Finding:
    share = facts.used / facts.limit if facts.limit else 0.0
    used = f"{facts.used / 2**20:,.0f} MiB" + (f" of {facts.limit / 2**20:,.0f} ({share:.0%})" if facts.limit else "")
    more = "raise maxmemory in the server's configuration"
    if share >= FULL:
        return error("memory", f"{used} are used: the server will refuse what is queued", more)
    return warning("memory", f"{used} are used", more) if share >= NEARLY_FULL else ok("memory", f"{used} used")


def _clock(check: str, server_time: datetime | None, before: datetime, after: datetime) -> list[Finding]:
    """Compares the clock of a server with the middle of the request."""
    if server_time is None:
        return []
    drift = abs(server_time - (before + (after - before) / 2))
    if drift <= DRIFT:
        return [ok(check, f"within {max(drift.total_seconds(), 0.001):.3f} s of this machine's")]
    finding = error if drift > MAX_DRIFT else warning
    return [finding(check, f"{drift.total_seconds():,.0f} s away from this machine's", "timedatectl set-ntp true")]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True, slots=True)
class Installation:
    """The files of this machine.

    Attributes:
        private: files and folders that no other user may access. Missing ones are ignored.
        data: the folder whose disk needs free space, if this machine stores data.
        signing_keys: returns the keys, the one that signs first, and raises ConfigurationError if they are wrong.
        create_key: the command that creates a key.
        breached: the list of breached passwords, if there is one.
    """

    private: Sequence[Path]
    data: Path | None
    signing_keys: Callable[[], tuple[SigningKey, ...]]
    create_key: str
    breached: BreachedPasswords | None = None


def check_installation(installation: Installation, free_space: Callable[[Path], int]) -> list[Finding]:
    """Checks this machine. `free_space` returns the free bytes of a folder's disk."""
    findings = [_signing_key(installation), _permissions(installation)]
    if installation.breached is not None:
        findings.append(_breached_passwords(installation.breached))
    if installation.data is not None and installation.data.exists():
        findings.append(_disk(installation.data, free_space(installation.data)))
    return findings


def free_bytes(folder: Path) -> int:
    """The free bytes of the folder's disk."""
    return shutil.disk_usage(folder).free


def open_to_others(installation: Installation) -> list[Path]:
    """The private files and folders that other users can access."""
    return [path for path in installation.private if _mode(path) & OTHER_USERS]


def close_to_others(paths: Sequence[Path]) -> list[Path]:
    """Removes the access of other users. Returns the changed paths: only the owner can change a path."""
    closed: list[Path] = []
    for path in paths:
        with suppress(PermissionError):
            path.chmod(_mode(path) & ~OTHER_USERS)
            closed.append(path)
    return closed


def _mode(path: Path) -> int:
    """The permission bits; 0 if the path is missing or inaccessible."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _signing_key(installation: Installation) -> Finding:
    try:
        keys = installation.signing_keys()
    except ConfigurationError as wrong:
        return error("signing key", wrong.detail, "adsum config show")
    if not keys:
        return error("signing key", "missing: the API does not start", installation.create_key)
    return ok("signing key", f"{keys[0].id} signs; {counted(len(keys) - 1, 'other key')}")


def _breached_passwords(breached: BreachedPasswords) -> Finding:
    try:
        breached.require_usable()
    except ConfigurationError as wrong:
        return error("breached list", f"no password can be set: {wrong.detail}", "adsum config show")
    return ok("breached list", f"new passwords are looked up in {breached.path}")


def _permissions(installation: Installation) -> Finding:
    if found := open_to_others(installation):
        return error("permissions", f"other users can read {counted(len(found), 'path', list(map(str, found)))}", FIX)
    return ok("permissions", "private files are accessible to this user only")


def _disk(folder: Path, free: int) -> Finding:
    left = f"{free / 2**30:,.1f} GiB are free for {folder}"
    if free < NO_SPACE:
        return error("disk", left, f"du -xh {folder} | sort -h | tail")
    return warning("disk", left, f"du -xh {folder} | sort -h | tail") if free < LOW_SPACE else ok("disk", left)
