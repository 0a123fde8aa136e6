"""Stylesheets, scripts and images of the pages, cached permanently under an address with a hash of their content."""

from __future__ import annotations

import hashlib
from functools import cache
from gzip import compress
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from adsum.platform.errors import NotFound

router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml; charset=utf-8"}
FOR_EVER = "public, max-age=31536000, immutable"
NOT_FOR_LONG = "public, max-age=60"


@router.get("/static/{name}", name="staticFile")
async def static_file(name: str, request: Request, v: str = "") -> Response:
    """One file. Under the address of another version it is cached for a minute only."""
    content, packed = _file(name)
    headers = {"Vary": "Accept-Encoding", "Cache-Control": FOR_EVER if v == version_of(name) else NOT_FOR_LONG}
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(packed, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(content, media_type=media_type, headers=headers)


def static_url(name: str) -> str:
    """The address of a file. It contains a hash, so that browsers fetch a new version at once."""
    return f"/static/{name}?v={version_of(name)}"


@cache
def version_of(name: str) -> str:
    """The first digits of a hash of the file."""
    return hashlib.sha256(_file(name)[0]).hexdigest()[:12]


@cache
def _file(name: str) -> tuple[bytes, bytes]:
    """The content of a file, plain and compressed with gzip. Each file is read once."""
    if name not in _names():
        raise NotFound("there is no such file")
    content = (files("adsum.platform.pages") / "static" / name).read_bytes()
    return content, compress(content, mtime=0)


@cache
def _names() -> frozenset[str]:
    known = (each.name for each in (files("adsum.platform.pages") / "static").iterdir())
    return frozenset(name for name in known if name.rpartition(".")[2] in MEDIA_TYPES)
