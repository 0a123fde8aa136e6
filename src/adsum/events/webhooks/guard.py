"""Which addresses webhooks may reach. The check is made at each connection, on the address that is connected to: the
name of a host may lead to another address at any time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import httpcore2
from typing_extensions import override

from adsum.platform.addresses import plain_address

Network = IPv4Network | IPv6Network

# Ranges of IPv6 that carry an IPv4 address, which may be private: NAT64, 6to4, Teredo.
_CARRIERS = tuple(ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


class RefusedAddress(Exception):
    """The host is at an address that webhooks may not reach."""


class Guard:
    """Decides which addresses are reachable. `allowed` are networks that are, although they are not public."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = allowed

    def is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is public, or in an allowed network."""
        if self.is_inside(address):
            return True
        return address.is_global and not address.is_multicast and not any(address in each for each in _CARRIERS)

    def is_inside(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is in an allowed network."""
        return any(address in each for each in self._allowed)

    async def addresses_of(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """The addresses of a host. Raises OSError: it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = (plain_address(str(place[0])) for *_, place in found)
        return list(dict.fromkeys(each for each in addresses if each is not None))

    async def reachable(self, host: str, port: int) -> IPv4Address | IPv6Address:
        """An address of a host that may be reached.

        Raises:
            OSError: the host has no address.
            RefusedAddress: one of its addresses may not be reached. A public one beside it changes nothing, because a
                name that leads inside is a mistake or an attack.
        """
        addresses = await self.addresses_of(host, port)
        if not addresses or not all(map(self.is_allowed, addresses)):
            raise RefusedAddress(host)
        return addresses[0]


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to the checked address itself, so that no second look-up can return another one."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        anyio_backend: Any = httpcore2.AnyIOBackend  # its type depends on whether anyio is installed
        self._inner: httpcore2.AsyncNetworkBackend = anyio_backend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                address = await self._guard.reachable(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from None
        return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
