"""Addresses of this site that visitors send."""

from __future__ import annotations

from urllib.parse import urlsplit

START = "/"


def local_path(address: str) -> str:
    """The address if it is a path of this site, else the start page. Prevents redirects to other sites.

    Browsers treat `//` and `/\\` at the beginning as another host, and remove tabs and line breaks first.
    """
    is_plain = address.startswith("/") and address.isprintable() and "\\" not in address
    parts = urlsplit(address) if is_plain else None
    return address if parts and not parts.netloc and not address.startswith("//") else START
