"""The URL of a database, and the hosts that it names."""

from __future__ import annotations

import pytest

from adsum.platform.database.urls import parse_database_url
from adsum.platform.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///adsum.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///adsum.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@host/db", "postgresql+asyncpg"),
        ("postgresql+psycopg://host/db", "postgresql+asyncpg"),
        ("postgres://host/db", "postgresql+asyncpg"),
    ],
)
def test_a_url_gets_the_async_driver(url: str, driver: str) -> None:
    parsed = parse_database_url(url)
    assert (parsed.url.drivername, parsed.hosts, parsed.session) == (driver, (), None)


@pytest.mark.parametrize(
    ("url", "hosts", "session"),
    [
        ("postgresql://u:p%2C@a,b/db", (("a", 5432), ("b", 5432)), "read-write"),
        ("postgresql+asyncpg://a:1,b:2,c/db", (("a", 1), ("b", 2), ("c", 5432)), "read-write"),
        ("postgres://u@[::1]:1,10.0.0.2:2/db?target_session_attrs=primary", (("::1", 1), ("10.0.0.2", 2)), "primary"),
        ("postgresql://a/db?target_session_attrs=read-write", (), "read-write"),
    ],
)
def test_a_url_names_hosts_of_which_one_accepts_writes(
    url: str, hosts: tuple[tuple[str, int], ...], session: str
) -> None:
    parsed = parse_database_url(f"{url}{'&' if '?' in url else '?'}sslmode=require")
    assert (parsed.hosts, parsed.session, parsed.url.database) == (hosts, session, "db")
    assert parsed.url.query == {"ssl": "require"}


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "postgresql:/host"]
)
def test_an_unusable_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_database_url(url)
    assert not url or url not in str(error.value)


def test_a_comma_in_a_password_names_no_second_host() -> None:
    parsed = parse_database_url("postgresql://u:p,w@host/db")
    assert (parsed.url.password, parsed.url.host, parsed.hosts) == ("p,w", "host", ())


@pytest.mark.parametrize("url", ["postgresql://u:se,cret", "postgresql://u:se,cret:x/db"])
def test_a_part_of_a_password_that_is_not_encoded_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_database_url(url)
    assert "cret" not in str(error.value)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("a,b:x/db", "host 2 is not a host with a port"),
        ("a,/db", "host 2 is not a host with a port"),
        ("a:0,b/db", "host 1 is not a host with a port"),
        ("a,b:65536/db", "host 2 is not a host with a port"),
        ("a,a:5432/db", "host 2 is named twice"),
        ("a,b/db?target_session_attrs=any", "target_session_attrs is read-write or primary"),
        ("a/db?target_session_attrs=standby", "target_session_attrs is read-write or primary"),
        ("a,b/db?host=c", "name the hosts in one place"),
        ("a,b/db?sslmod=require", "unknown in its query: sslmod"),
    ],
)
def test_a_wrong_host_or_option_is_refused_without_the_password(rest: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_database_url(f"postgresql://user:secret@{rest}")
    assert error.value.detail.startswith("ADSUM_DATABASE_URL: ")
    assert reason in error.value.detail
    assert "secret" not in error.value.detail
