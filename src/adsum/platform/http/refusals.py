"""Notes in a request who sends it and why it is refused, for its log line."""

from __future__ import annotations

from fastapi import Request
from starlette.types import Scope

_ACTOR, _CODE = "log_actor", "log_code"


def note_actor(request: Request, actor: str) -> None:
    """Notes the user or the API key that sends a request, such as `user-7`."""
    setattr(request.state, _ACTOR, actor)


def note_refusal(request: Request, code: str) -> None:
    """Notes the code of the error with which a request is refused."""
    setattr(request.state, _CODE, code)


def actor_in(scope: Scope) -> str | None:
    """The sender of a request; None: it has no credentials, or wrong ones."""
    return scope.get("state", {}).get(_ACTOR)


def refusal_in(scope: Scope) -> str | None:
    """The code of the error with which a request was refused."""
    return scope.get("state", {}).get(_CODE)
