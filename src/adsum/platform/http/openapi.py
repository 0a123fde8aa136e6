"""The OpenAPI description with Adsum's problems, and the page `/docs` that shows it with Swagger UI."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.security.base import SecurityBase
from starlette.responses import JSONResponse
from typing_extensions import override

from adsum.platform.errors import NotFound
from adsum.platform.http.documented_errors import RATE_LIMIT_HEADERS, ErrorKind, describe_errors
from adsum.platform.http.examples import add_examples
from adsum.platform.http.field_descriptions import of_field, of_parameter
from adsum.platform.http.middleware import POLICY
from adsum.platform.http.queries import ON_BEHALF_OF, ON_BEHALF_OF_HEADER

FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch")

_ENTRY = {
    "type": "object",
    "required": ["pointer", "detail", "code", "params"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer into the body; empty for anything else."},
        "detail": {"type": "string", "description": "For people; it may change."},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "params": {"type": "object", "description": "The parameters of the code.", "additionalProperties": True},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457, with one entry in `errors` for each violation.",
    "required": ["type", "title", "status", "detail", "code", "params", "errors"],
    "properties": {
        "type": {"type": "string", "description": "`urn:adsum:problem:` and the code."},
        "title": {"type": "string", "description": "The code in words."},
        "status": {"type": "integer", "description": "The status of the response."},
        "detail": {"type": "string", "description": "For people; it may change."},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "params": {"type": "object", "description": "The parameters of the code.", "additionalProperties": True},
        "errors": {
            "type": "array",
            "description": "One entry for each violation; without violations, the problem itself.",
            "items": {"$ref": "#/components/schemas/ProblemEntry"},
        },
    },
}
_RESPONSE = {
    "description": "Any other failure. `internal_error`: the log has details under the `X-Request-ID` of the response.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


_HEADERS = {
    "RateLimit-Policy": {
        "description": "The limits that apply to the request: `q` requests in `w` seconds "
        "(draft-ietf-httpapi-ratelimit-headers). Without limits, it is missing.",
        "schema": {"type": "string", "example": '"key";q=60000;w=60'},
    },
    "RateLimit": {
        "description": "The rest of each limit: `r` requests in the next `t` seconds.",
        "schema": {"type": "string", "example": '"key";r=59999;t=42'},
    },
}
# The only operations that are not limited. They need no caller.
_PROBES = frozenset({"/livez", "/readyz", "/healthz", "/version"})

# The parameters of every request with a caller. The authentication reads them.
_ON_BEHALF_OF = [
    {
        "in": "query",
        "name": ON_BEHALF_OF,
        "required": False,
        "schema": {"type": "string"},
        "description": "The email of the person whom an API key with `attendance:act-as` acts for. It may appear in "
        "logs of proxies: prefer the header.",
    },
    {
        "in": "header",
        "name": ON_BEHALF_OF_HEADER,
        "required": False,
        "schema": {"type": "string"},
        "description": "The same as `onBehalfOf`. A request has one of the two.",
    },
]


class Application(FastAPI):
    """A FastAPI application whose description includes problems and the person for whom a key acts.

    `errors_of_callers` are those of every operation with a caller, `security_schemes` how callers name themselves,
    `examples` the packages that have examples.
    """

    errors_of_callers: Sequence[ErrorKind] = ()
    security_schemes: Sequence[SecurityBase] = ()
    examples: Sequence[str] = ()

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi(), self.errors_of_callers, self.security_schemes)
            add_examples(self.openapi_schema, self.examples)
        return self.openapi_schema


def _completed(
    description: dict[str, Any], errors_of_callers: Sequence[ErrorKind], security_schemes: Sequence[SecurityBase]
) -> dict[str, Any]:
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "ProblemEntry": _ENTRY}
    components["responses"] = {"Problem": _RESPONSE}
    components["headers"] = _HEADERS
    components.setdefault("securitySchemes", {}).update(
        {
            each.scheme_name: each.model.model_dump(mode="json", by_alias=True, exclude_none=True)
            for each in security_schemes
        }
    )
    for schema in schemas.values():
        _describe_fields(schema)
    describe_errors(description, errors_of_callers, free=_PROBES)
    for path, item in description["paths"].items():
        for method in METHODS:
            if method in item:
                if path not in _PROBES:
                    _limit(item[method]["responses"])
                item[method]["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
                if "security" in item[method]:
                    item[method].setdefault("parameters", []).extend(_ON_BEHALF_OF)
                _describe_parameters(item[method], path)
    return description


def _describe_fields(schema: dict[str, Any]) -> None:
    for name, field in schema.get("properties", {}).items():
        text = _description_of(field) or of_field(name)
        if text is not None:
            field["description"] = text


def _describe_parameters(operation: dict[str, Any], path: str) -> None:
    for parameter in operation.get("parameters", ()):
        own = parameter.get("description") or _description_of(parameter["schema"])
        text = own or of_parameter(parameter["in"], parameter["name"], path)
        if text is not None:
            parameter["description"] = text


def _description_of(schema: dict[str, Any]) -> str | None:
    """The description of a schema; of one that may be null, the one of its type."""
    own: str | None = schema.get("description")
    if own is not None:
        return own
    descriptions = [each.pop("description") for each in schema.get("anyOf", ()) if "description" in each]
    return descriptions[0] if descriptions else None


def _limit(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            response.setdefault("headers", {}).update(RATE_LIMIT_HEADERS)


router = APIRouter(include_in_schema=False)

# The stylesheet of Swagger UI holds images as data: URLs.
PAGE_POLICY = f"{POLICY}; img-src 'self' data:"
CACHED_FOR_AN_HOUR = {"Cache-Control": "public, max-age=3600"}
OWN_SCRIPT = "docs.js"
# The files of the page. All except the script of Adsum belong to Swagger UI, from the package `fastapi_offline`.
MEDIA_TYPES = {
    OWN_SCRIPT: "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/docs")
async def page() -> Response:
    """The page that shows `/openapi.json`. It loads Swagger UI from this server, and has no inline scripts."""
    content = _own_file("docs.html").read_bytes()
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


@router.get("/docs/{asset}")
def asset(asset: str) -> Response:
    """One file of the page. Not `async`, so that a thread reads the megabyte."""
    if asset not in MEDIA_TYPES:
        raise NotFound("there is no such file")
    file = _own_file(asset) if asset == OWN_SCRIPT else files("fastapi_offline") / "static" / asset
    return Response(file.read_bytes(), media_type=MEDIA_TYPES[asset], headers=CACHED_FOR_AN_HOUR)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI description. `docs/openapi.json` is its committed copy."""
    description: dict[str, Any] = request.app.openapi()
    return JSONResponse(description)


def _own_file(name: str) -> Traversable:
    return files("adsum.platform.http") / "assets" / name
