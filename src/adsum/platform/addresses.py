"""Network addresses."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit


def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a text; None: it is none. An IPv6 address that holds one of IPv4 is that one, without a zone."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped


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
