"""Checks how a request arrived: its address, whether others can read it, and whether a page of Adsum sent it.

`processes/proxies.py` replaces the address and scheme by those of a proxy's headers if ADSUM_TRUSTED_PROXIES names the
proxy.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from adsum.platform.addresses import is_loopback_host
from adsum.platform.errors import Forbidden, Unavailable, Violation
from adsum.platform.http.dependencies import services_of


class PlainHttp(Forbidden):
    """A password would travel over a connection that others can read."""

    code = "plain_http"


class NoPublicUrl(Unavailable):
    """The request needs the address of this site, and the setting is missing."""

    code = "no_public_url"


def address_of(request: Request) -> str | None:
    """The address of the client; None on a unix socket."""
    return request.client.host if request.client is not None and request.client.host else None


def require_private_transport(request: Request) -> None:
    """Raises PlainHttp for plain HTTP from another machine, unless ADSUM_ALLOW_PLAIN_HTTP allows it."""
    is_allowed = services_of(request).settings.allow_plain_http
    if request.url.scheme != "https" and not is_allowed and not _is_loopback(address_of(request)):
        raise PlainHttp("over plain HTTP others could read the password: sign in over HTTPS")


def _is_loopback(address: str | None) -> bool:
    """Whether the address is of this machine, as is a socket without an address."""
    if address is None:
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def public_origin(request: Request) -> str:
    """The address of this site that others may be given: ADSUM_PUBLIC_URL, else that of the request.

    A client chooses the host of its request. Without the setting, it is believed on loopback only.

    Raises:
        NoPublicUrl: the setting is missing.
    """
    public_url = services_of(request).settings.public_url
    if public_url is not None:
        return public_url
    if not is_loopback_host(request.url.hostname or ""):
        raise NoPublicUrl("ADSUM_PUBLIC_URL is not set: Adsum does not know its own address")
    return f"{request.url.scheme}://{request.url.netloc}"


def is_begun_by_user(request: Request) -> bool:
    """Whether the user has opened this address: on a page of Adsum, by typing it, or by a click elsewhere.

    False: a page of another site has led the browser here by itself.
    """
    is_own = request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    return is_own or request.headers.get("Sec-Fetch-User") == "?1"


SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(request: Request) -> None:
    """Raises Forbidden for a change that a page of another site sends with the session cookie.

    The allowed origins are the host of the request and ADSUM_PUBLIC_URL, because a proxy may use another host name.
    Browsers send `Sec-Fetch-Site`, and `Origin` with every POST. A request without both is refused; programs
    authenticate with tokens or API keys.
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_ours = site == "same-origin" if site is not None else origin is not None and _is_ours(origin, request)
    if not is_ours:
        detail = "a change with a session cookie has to come from a page of Adsum"
        raise Forbidden(detail, [Violation("cross_origin", detail)])


def _is_ours(origin: str, request: Request) -> bool:
    is_public = origin.lower() == services_of(request).settings.public_url
    sent_by = urlsplit(origin)
    return is_public or (sent_by.scheme, sent_by.netloc) == (request.url.scheme, request.headers.get("Host"))
