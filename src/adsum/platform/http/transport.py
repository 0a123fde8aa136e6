"""How a request has come: from which address, and whether a password may be asked for on the way that it took.

uvicorn has replaced the address and the scheme by what a proxy says, if ADSUM_TRUSTED_PROXIES names that proxy.
"""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import Request

from adsum.platform.errors import Forbidden
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
