"""`/docs` and `/openapi.json`. The page loads Swagger UI from here: nothing from outside, nothing inline."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from adsum.platform.errors import NotFound
from adsum.platform.http.security_headers import POLICY

router = APIRouter(include_in_schema=False)

# Swagger UI draws its arrows from data: URLs in its stylesheet.
PAGE_POLICY = f"{POLICY}; img-src 'self' data:"
CACHED_FOR_AN_HOUR = {"Cache-Control": "public, max-age=3600"}
OUR_SCRIPT = "docs.js"
# What the page loads. All but our own script are Swagger UI, as the package `fastapi_offline` has it.
MEDIA_TYPES = {
    OUR_SCRIPT: "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/docs")
async def page() -> Response:
    """The page that shows `/openapi.json`."""
    content = _ours("docs.html").read_bytes()
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


@router.get("/docs/{asset}")
def asset(asset: str) -> Response:
    """One file that the page loads. Not `async`: reading a megabyte is left to a thread."""
    if asset not in MEDIA_TYPES:
        raise NotFound("the page loads no such file")
    file = _ours(asset) if asset == OUR_SCRIPT else files("fastapi_offline") / "static" / asset
    return Response(file.read_bytes(), media_type=MEDIA_TYPES[asset], headers=CACHED_FOR_AN_HOUR)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The description of this API; `docs/openapi.json` is its committed copy."""
    description: dict[str, Any] = request.app.openapi()
    return JSONResponse(description)


def _ours(name: str) -> Traversable:
    return files("adsum.platform.http") / "assets" / name
