"""The address and the scheme of a request behind trusted reverse proxies."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_ALL = frozenset({"*", "0.0.0.0/0", "::/0"})
_HEADER = b"x-forwarded-for"


def behind_proxies(app: ASGIApp, trusted: str) -> ASGIApp:
    """The application with the addresses that these proxies report; `trusted` is ADSUM_TRUSTED_PROXIES.

    If every address is trusted, the nearest one that a proxy reports is the client's: the others, which the client may
    have written itself, are ignored.
    """
    middleware: ASGIApp = ProxyHeadersMiddleware(app, trusted)  # pyright: ignore[reportArgumentType, reportAssignmentType]
    return _NearestAddress(middleware) if _ALL.intersection(map(str.strip, trusted.split(","))) else middleware


class _NearestAddress:
    """Keeps the last address of X-Forwarded-For."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            reported = [value for name, value in scope["headers"] if name == _HEADER]
            if reported:
                others = [header for header in scope["headers"] if header[0] != _HEADER]
                nearest = reported[-1].rpartition(b",")[2].strip()
                scope = {**scope, "headers": [*others, (_HEADER, nearest)]}
        await self.app(scope, receive, send)
