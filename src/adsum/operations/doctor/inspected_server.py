"""A server that the doctor checks: its name, and the commands for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from adsum.operations.doctor.findings import Finding, error
from adsum.platform.addresses import is_loopback_host
from adsum.platform.errors import Unavailable
from adsum.platform.redis.tls_mismatch import TlsMismatch, may_be_mismatch


@dataclass(frozen=True, slots=True)
class InspectedServer:
    """The name of a server and the commands for it.

    Attributes:
        name: file, socket or host and port, without credentials.
        start: the command that starts the server or checks its address.
        client: the command line of its client; None for the server that `up` configures at each start.
        is_here: whether the connection stays on this machine.
        is_verified: whether it is encrypted to a server that has proved who it is.
        encrypt: the setting that makes it so.
        find_mismatch: finds out whether the URL and the server disagree about TLS; None: they cannot.
    """

    name: str
    start: str
    client: str | None = None
    is_here: bool = True
    is_verified: bool = False
    encrypt: str = ""
    # It knows the URL, which may contain a password.
    find_mismatch: Callable[[], Awaitable[TlsMismatch | None]] | None = field(default=None, repr=False)

    def at(self, primary: tuple[str, int] | None) -> InspectedServer:
        """This server, with the commands for the primary that Sentinels have named, maybe on another machine."""
        if primary is None:
            return self
        host, port = primary
        client = f"{self.client} -h {host} -p {port}"
        return replace(self, client=client, is_here=self.is_here and is_loopback_host(host))

    def run(self, command: str) -> str:
        """The command line that sends `command` to the server."""
        return "adsum up  # stopped and started again" if self.client is None else f"{self.client} {command}"

    async def mismatch(self, outage: Unavailable | TimeoutError) -> Finding | None:
        """The finding that the URL and the server disagree about TLS; None: the outage has another reason."""
        failure = outage.__cause__ if isinstance(outage, Unavailable) else outage
        if self.find_mismatch is None or not may_be_mismatch(failure):
            return None
        found = await self.find_mismatch()
        return None if found is None else error("redis", f"{found.problem}, unlike ADSUM_REDIS_URL", found.remedy)
