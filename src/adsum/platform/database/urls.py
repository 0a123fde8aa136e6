"""The URL of a database. That of Postgres may name several hosts, as libpq allows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from adsum.platform.addresses import Host, parse_hosts
from adsum.platform.errors import ConfigurationError

SETTING, READ_SETTING = "ADSUM_DATABASE_URL", "ADSUM_DATABASE_READ_URL"
PORT = 5432
EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432,HOST:5432/DATABASE"
# Of `target_session_attrs`: both mean the server to which Adsum can write.
WRITABLE = ("read-write", "primary")
_SEVERAL_HOSTS = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+\w+)?://)(?P<user>[^@/?]*@)?(?P<hosts>[^@/?]*,[^@/?]*)(?P<rest>(?:[/?].*)?)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A URL with the driver that Adsum uses.

    Attributes:
        url: of several hosts it names the first.
        hosts: the hosts, if they are several.
        session: the `target_session_attrs`, or None.
    """

    url: URL
    hosts: tuple[Host, ...] = ()
    session: str | None = None


def parse_read_url(url: str) -> URL:
    """Reads the URL of a standby, whose errors name its setting.

    Raises:
        ConfigurationError: it is no URL of one server of Postgres.
    """
    try:
        parsed = parse_database_url(url)
    except ConfigurationError as error:
        raise ConfigurationError(error.detail.replace(SETTING, READ_SETTING)) from None
    if parsed.url.get_backend_name() != "postgresql" or parsed.hosts or parsed.session is not None:
        raise ConfigurationError(f"{READ_SETTING}: it names one standby of Postgres, without target_session_attrs")
    return parsed.url


def parse_database_url(url: str) -> DatabaseUrl:
    """Reads `sqlite:///path` or `postgresql://…`, with or without the name of an async driver.

    Raises:
        ConfigurationError: the URL is invalid, or names another kind of database.
    """
    several = _SEVERAL_HOSTS.fullmatch(url)
    hosts = () if several is None else _hosts(several["hosts"])
    if several is not None:
        url = f"{several['scheme']}{several['user'] or ''}{several['hosts'].partition(',')[0]}{several['rest']}"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("ADSUM_DATABASE_URL: this is not a database URL") from None
    match parsed.get_backend_name():
        case "postgresql" | "postgres":
            return _of_postgres(parsed, hosts)
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return DatabaseUrl(parsed.set(drivername="sqlite+aiosqlite"))
        case other:
            raise ConfigurationError(f"ADSUM_DATABASE_URL: {other} is neither postgresql nor sqlite with a file")


def _hosts(text: str) -> tuple[Host, ...]:
    try:
        return parse_hosts(text, PORT, "host", EXAMPLE)
    except ValueError as error:
        raise ConfigurationError(f"ADSUM_DATABASE_URL: {error}") from None


def _of_postgres(url: URL, hosts: tuple[Host, ...]) -> DatabaseUrl:
    """Renames `sslmode`, Postgres' own name, to asyncpg's `ssl`."""
    query = {("ssl" if name == "sslmode" else name): value for name, value in url.query.items()}
    session = query.pop("target_session_attrs", WRITABLE[0] if hosts else None)
    if session is not None and session not in WRITABLE:
        raise ConfigurationError(
            f"ADSUM_DATABASE_URL: target_session_attrs is {' or '.join(WRITABLE)}: Adsum writes to the database"
        )
    unknown = sorted(query.keys() - {"host", "port", "ssl", "prepared_statement_cache_size"})
    if unknown:
        raise ConfigurationError(f"ADSUM_DATABASE_URL: unknown in its query: {', '.join(unknown)}")
    if hosts and query.keys() & {"host", "port"}:
        raise ConfigurationError(f"ADSUM_DATABASE_URL: name the hosts in one place: {EXAMPLE}")
    return DatabaseUrl(url.set(drivername="postgresql+asyncpg", query=query), hosts, session)
