"""Where the present action comes from: a request, or the command line. The audit log stores it."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass

MAX_ADDRESS = 64
MAX_AGENT = 120
MAX_OS_USER = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an action. All None: the library, or work in the background.

    Attributes:
        address: of the client.
        request_id: as in the log lines of the request.
        agent: the beginning of the User-Agent header, as the browser or program names itself.
        os_user: the user of the operating system who runs a command.
    """

    address: str | None = None
    request_id: str | None = None
    agent: str | None = None
    os_user: str | None = None

    @classmethod
    def of_request(cls, address: str | None, request_id: str, agent: str) -> Origin:
        """Without unprintable characters, which a client chooses and databases refuse."""
        return cls(_shortened(address or "", MAX_ADDRESS), request_id, _shortened(agent, MAX_AGENT))

    @classmethod
    def of_command(cls) -> Origin:
        """That of a command."""
        return cls(os_user=_shortened(_os_user(), MAX_OS_USER))


def _os_user() -> str:
    """The name of the user who runs this process. Not from the environment, which they choose."""
    if sys.platform == "win32":
        return ""
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a user without a name
        return f"uid {os.getuid()}"


def _shortened(text: str, max_length: int) -> str | None:
    return "".join(character for character in text[:max_length] if character.isprintable()) or None


ORIGIN: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - it is frozen
"""Set for each request by its middleware, and for a command before it runs."""
