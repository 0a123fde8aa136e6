"""Compresses pages with gzip: the register of a class of thirty has 60 kB, and a tenth of that compressed.

The length of a compressed page depends on which of its parts repeat each other. A page repeats its own address, so an
attacker who sees the length, and makes the browser open addresses with guesses, could find out names on the page (the
attack BREACH). A page is therefore compressed only for browsers that say that no other site has asked for it.
"""

from __future__ import annotations

from gzip import compress
from typing import Final

from fastapi import Request

# A page of this site asks for it, or the visitor does: from the address bar, a bookmark or another program.
_OWN_REQUESTS: Final = frozenset({"same-origin", "none"})
# Of gzip's nine levels: the higher ones take longer than their few bytes take to arrive.
_QUICK: Final = 3
# The headers that a cache has to compare.
VARY: Final = "Accept-Encoding, Sec-Fetch-Site"


def packed(request: Request, text: str) -> tuple[bytes, dict[str, str]]:
    """The content of a page for this request, and the header that names its encoding."""
    content = text.encode()
    accepts = "gzip" in request.headers.get("Accept-Encoding", "")
    if accepts and request.headers.get("Sec-Fetch-Site") in _OWN_REQUESTS:
        return compress(content, _QUICK, mtime=0), {"Content-Encoding": "gzip"}
    return content, {}
