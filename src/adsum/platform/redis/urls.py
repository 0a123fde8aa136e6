"""URLs that name several servers of Valkey or Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True, slots=True)
class UrlParts:
    """The parts of `scheme://[user:password@]hosts[/path][?query]`.

    Attributes:
        scheme: before `://`.
        credentials: options of redis-py, without those that are empty.
        hosts: servers with their ports, percent-encoded.
        path: without its first slash, percent-encoded.
        query: the options by name.
    """

    scheme: str
    credentials: Mapping[str, str]
    hosts: str
    path: str
    query: Mapping[str, str]


def split_url(url: str) -> UrlParts:
    """Splits a URL. A standard parser would refuse more than one host."""
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    options = {"username": unquote(user), "password": unquote(password)}
    given = {name: value for name, value in options.items() if value}
    return UrlParts(scheme, given, hosts, path, dict(parse_qsl(query, keep_blank_values=True)))
