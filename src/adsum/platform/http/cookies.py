"""The cookies of the pages. All have the same attributes and the same beginning of their names.

Scripts cannot read them, and pages of other sites send none along with a change. Over HTTPS the prefix `__Host-`
restricts them to this host and to HTTPS: no other site of the domain can set them.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response

# Some browsers reject the prefix, and all Secure cookies, over plain HTTP, even on loopback.
HTTPS_NAME = "__Host-adsum"
PLAIN_HTTP_NAME = "adsum"

A_YEAR_S = 365 * 24 * 3600
"""How long the choices of a visitor are kept in a browser."""

SESSION = ""
"""The cookie with the token of the visitor has the bare name."""


def cookie_of(request: Request, name: str) -> str | None:
    """The value of a cookie, if the browser has sent it."""
    return request.cookies.get(_full_name(request, name))


def cookies_of(request: Request, beginning: str) -> Mapping[str, str]:
    """The cookies whose names begin so, by the rest of their names, in the order in which the browser sends them."""
    prefix = _full_name(request, beginning)
    return {name.removeprefix(prefix): value for name, value in request.cookies.items() if name.startswith(prefix)}


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Stores a cookie in the browser for this time.

    `SameSite` is lax, because providers of single sign-on redirect to Adsum from their own site.
    """
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        _full_name(request, name), value, max_age=seconds, httponly=True, secure=is_secure, samesite="lax", path="/"
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Deletes a cookie of the browser."""
    is_secure = request.url.scheme == "https"
    response.delete_cookie(_full_name(request, name), httponly=True, secure=is_secure, samesite="lax", path="/")


def _full_name(request: Request, name: str) -> str:
    beginning = HTTPS_NAME if request.url.scheme == "https" else PLAIN_HTTP_NAME
    return f"{beginning}-{name}" if name else beginning
