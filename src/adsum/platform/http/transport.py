"""Checks how a request arrived: its address, whether others can read it, and whether a page of Adsum sent it.

uvicorn replaces the address and scheme by those of a proxy's headers if ADSUM_TRUSTED_PROXIES names the proxy.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from adsum.platform.errors import Forbidden, Violation
from adsum.platform.http.dependencies import adsum_of


class PlainHttp(Forbidden):
    """Somebody would sign in over a connection that others can read."""

    code = "plain_http"


def address_of(request: Request) -> str | None:
    """The address of who asks; None on a socket that has none."""
    return request.client.host if request.client is not None and request.client.host else None


def require_private_transport(request: Request) -> None:
    """Raises PlainHttp for plain HTTP from any other machine, unless ADSUM_ALLOW_PLAIN_HTTP says that this is meant."""
    is_meant = adsum_of(request).settings.allow_plain_http
    if request.url.scheme != "https" and not is_meant and not _is_loopback(address_of(request)):
        raise PlainHttp("over plain HTTP others could read the password: sign in over HTTPS")


def _is_loopback(address: str | None) -> bool:
    """A socket without an address is one of this machine."""
    if address is None:
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


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
