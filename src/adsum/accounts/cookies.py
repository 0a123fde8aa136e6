"""The cookie that keeps somebody signed in: a token of the API's, out of the reach of scripts and of other sites."""

from __future__ import annotations

from fastapi import Request, Response

# The prefix makes browsers keep it to this host, over HTTPS. Some drop it, and every Secure one, over plain HTTP even
# on loopback: there it has a plain name.
OVER_HTTPS = "__Host-adsum"
OVER_PLAIN_HTTP = "adsum"


def session_token(request: Request) -> str | None:
    """The token of whoever is signed in, or None."""
    return request.cookies.get(_name(request))


def keep_signed_in(request: Request, response: Response, token: str, seconds: int) -> None:
    """Lets the browser send the token with every request of this site."""
    secure = request.url.scheme == "https"
    response.set_cookie(_name(request), token, max_age=seconds, httponly=True, secure=secure, samesite="lax", path="/")


def forget(request: Request, response: Response) -> None:
    """Makes the browser drop the token."""
    secure = request.url.scheme == "https"
    response.delete_cookie(_name(request), httponly=True, secure=secure, samesite="lax", path="/")


def _name(request: Request) -> str:
    return OVER_HTTPS if request.url.scheme == "https" else OVER_PLAIN_HTTP
