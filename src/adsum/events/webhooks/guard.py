"""Which addresses webhooks may reach. The check is made at each connection, on the address that is connected to: the
name of a host may lead to another address at any time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import httpcore2
from typing_extensions import override

from adsum.platform.addresses import plain_address

Network = IPv4Network | IPv6Network
LOOK_UPS = 16

# IANA assigns public addresses of IPv6 from this range alone. Outside are, for example, NAT64 and compatible addresses.
_GLOBAL_UNICAST = ip_network("2000::/3")
# Ranges that older versions of Python take for public: protocol assignments, relays of 6to4, documentation. And ranges
# of IPv6 that carry an IPv4 address, which may be private: 6to4, Teredo.
_RESERVED = tuple(
    ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "2002::/16", "2001::/32")
)


class RefusedAddress(Exception):
    """The host is at an address that webhooks may not reach."""


class Guard:
    """Decides which addresses are reachable.

    Args:
        allowed: networks that are reachable although they are not public.
        inside_only: whether public addresses are not, as without TLS.
    """

    def __init__(self, allowed: Sequence[Network] = (), *, inside_only: bool = False) -> None:
        self._allowed = allowed
        self._inside_only = inside_only
        # The event loop has a few threads for look-ups, which the connections of the database and Redis need, too. A
        # look-up of a host whose name servers do not answer holds one for half a minute.
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="webhook-hosts")

    def inside(self) -> Guard:
        """The guard for connections without TLS."""
        return Guard(self._allowed, inside_only=True)

    def is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is public, or in an allowed network."""
        if self.is_inside(address):
            return True
        if self._inside_only or any(address in each for each in _RESERVED):
            return False
        is_assigned = address.version == 4 or address in _GLOBAL_UNICAST
        return is_assigned and address.is_global and not address.is_multicast

    def is_inside(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is in an allowed network."""
        return any(address in each for each in self._allowed)

    async def addresses_of(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """The addresses of a host. Raises OSError: it has none, or is no name of a host."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._look_ups, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            )
        except UnicodeError:
            raise OSError(f"{host} is no name of a host") from None
        addresses = (plain_address(str(place[0])) for *_, place in found)
        return list(dict.fromkeys(each for each in addresses if each is not None))

    async def reachable(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """The addresses of a host that may be reached.

        Raises:
            OSError: the host has no address.
            RefusedAddress: one of its addresses may not be reached. A public one beside it changes nothing, because a
                name that leads inside is a mistake or an attack.
        """
        addresses = await self.addresses_of(host, port)
        if not addresses or not all(map(self.is_allowed, addresses)):
            raise RefusedAddress(host)
        return addresses

    async def close(self) -> None:
        """Ends the threads. It does not wait for look-ups."""
        self._look_ups.shutdown(wait=False, cancel_futures=True)


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
                addresses = await self._guard.reachable(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from None
        for address in addresses[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)
