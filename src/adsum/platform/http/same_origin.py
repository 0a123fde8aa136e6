"""The check that a change which a cookie allows was asked for by a page of ours, and not by some other site."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from adsum.platform.errors import Forbidden, Violation
from adsum.platform.http.dependencies import adsum_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(request: Request) -> None:
    """Raises Forbidden for a change that another site asks for.

    Ours are the site that the request has come to, and the one that ADSUM_PUBLIC_URL names, since a proxy may ask under
    another name. Browsers name the origin of what they send: `Sec-Fetch-Site`, and `Origin` with every POST. What names
    neither is no browser's, or a very old one's, and is refused, too: there are tokens and API keys for programs.
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_ours = site == "same-origin" if site is not None else origin is not None and _is_ours(origin, request)
    if not is_ours:
        detail = "a change that a session cookie allows has to come from a page of Adsum"
        raise Forbidden(detail, [Violation("cross_origin", detail)])


def _is_ours(origin: str, request: Request) -> bool:
    is_public = origin.lower() == adsum_of(request).settings.public_url
    return is_public or urlsplit(origin).netloc == request.headers.get("Host")
