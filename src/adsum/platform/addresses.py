"""Network addresses."""

from __future__ import annotations

import hashlib
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]@]+))(?::(?P<port>\d{1,5}))?")

# The schemes of URLs that name servers of a cluster.
CLUSTER, ENCRYPTED_CLUSTER = "redis+cluster", "rediss+cluster"

Host = tuple[str, int]
"""The name or address of a server, without brackets, and its port."""


def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a text; None: it is none. An IPv6 address that holds one of IPv4 is that one, without a zone."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped


def parse_hosts(text: str, default_port: int, kind: str, example: str) -> tuple[Host, ...]:
    """Reads the servers of a URL: `host:port,[::1]:port,host`. Names are percent-decoded.

    Raises:
        ValueError: names the first wrong one as `kind` and its number, with an example. It quotes nothing: the text may
            be a part of a password that is not encoded.
    """
    found: list[Host] = []
    for number, each in enumerate(text.split(","), 1):
        match = _HOST.fullmatch(each)
        if match is None or not 0 < int(match["port"] or default_port) < 65536:
            raise ValueError(f"{kind} {number} is not a host with a port: {example}")
        host = (match["v6"] or unquote(match["name"]), int(match["port"] or default_port))
        if host in found:
            raise ValueError(f"{kind} {number} is named twice")
        found.append(host)
    return tuple(found)


def written(address: Host) -> str:
    """`host:port`, with brackets around an address of IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def source_of(address: str | None) -> str:
    """The sender for limits: the IPv4 address, or the /64 network of an IPv6 address, which belongs to one subscriber.

    None, of a unix socket, has a source of its own. Any text has one: a proxy may report no address.
    """
    if address is None:
        return "socket"
    parsed = plain_address(address)
    if parsed is None:
        return hashlib.sha256(address.encode(errors="replace")).hexdigest()[:32]
    return str(parsed) if isinstance(parsed, IPv4Address) else parsed.exploded[:19]


def names_cluster(url: str) -> bool:
    """Whether a URL names servers of a cluster of Valkey or Redis."""
    return url.startswith((f"{CLUSTER}://", f"{ENCRYPTED_CLUSTER}://"))


def is_encrypted_or_local(url: str) -> bool:
    """Whether requests to this URL are encrypted, or do not leave this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host))


def is_loopback_host(host: str) -> bool:
    """Whether the host of a URL is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
