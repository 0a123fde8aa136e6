"""Network addresses."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address


def source_of(address: str | None) -> str:
    """The sender for limits: the IPv4 address, or the /64 network of an IPv6 address, which belongs to one subscriber.

    None, of a unix socket, has a source of its own. Any text has one: a proxy may report no address.
    """
    if address is None:
        return "socket"
    try:
        parsed = ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="replace")).hexdigest()[:32]
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.exploded[:19]
