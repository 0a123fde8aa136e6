"""Sign-ins, and the clients that begin them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adsum.accounts.second_factors.passkeys import RelyingParty


class SignInKind(StrEnum):
    """How a user signed in: on the page, by `POST /auth/token`, or by `adsum token create`."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in of a user. `agent` is the browser or program, as it names itself."""

    id: int
    kind: SignInKind
    agent: str
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SignInClient:
    """The browser or program that signs in.

    Attributes:
        address: None on a unix socket.
        device_cookie: as the browser sent it.
        agent: the browser or program, as it names itself.
        kind: of the sign-in.
        party: this site for passkeys; None: they do not work here.
    """

    address: str | None
    device_cookie: str | None = None
    agent: str = ""
    kind: SignInKind = SignInKind.API
    party: RelyingParty | None = None
