"""The middleware of every request: size limit of bodies, request id, log line, latency, and security headers."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adsum.platform.errors import TooLarge
from adsum.platform.http.rate_limits import counted_headers
from adsum.platform.http.refusals import actor_in, refusal_in
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.telemetry import LogIcon, logged_with, logger
from adsum.platform.tracing.spans import UNTRACED, TracedStep

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

HEADER = "X-Request-ID"
# Monitoring requests these every few seconds.
QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_FIT_FOR_LOGS = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logger(__name__)


class Observation:
    """Assigns the request id, logs one line, observes the latency, and returns a 500 without details on a failure.

    `failure` makes the 500.
    """

    def __init__(self, app: ASGIApp, failure: Callable[[Request], Response]) -> None:
        self.app = app
        self.failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        response = _TrackedResponse(scope, send, request_id)
        origin = ORIGIN.set(_origin(scope, request_id))
        with _traced(scope) as spans, logged_with(_log_fields(request_id, spans)):
            try:
                await self.app(scope, receive, response.send)
            except Exception:
                log.exception("request failed", mark=LogIcon.ERROR, method=scope["method"], route=_route(scope))
                if response.status is not None:
                    raise  # the response is incomplete: the connection must break
                await self.failure(Request(scope))(scope, receive, response.send)
            finally:
                ORIGIN.reset(origin)
                _observe(scope, response)
                if spans:
                    _describe(spans, scope, response, request_id)


class _TrackedResponse:
    """Adds the request id and the rate limits to the response, and records its status and latency."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._began = time.perf_counter()
        self.status: int | None = None
        self.seconds = 0.0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self.seconds = time.perf_counter() - self._began
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            headers.update(counted_headers(self._scope))
        await self._send(message)


def _traced(scope: Scope) -> TracedStep:
    tracing: Tracing | None = getattr(scope["app"].state, "tracing", None)
    if tracing is None or scope["path"] in QUIET:
        return UNTRACED
    method = _known_method(scope)
    # Without path, query, address and agent, which are or may hold personal data.
    attributes = {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    return tracing.of_request(method, scope["headers"], attributes)


def _known_method(scope: Scope) -> str:
    """The method, or `_OTHER`, as the semantic conventions have it: clients may invent any number of methods."""
    return scope["method"] if scope["method"] in METHODS else "_OTHER"


def _log_fields(request_id: str, spans: TracedStep) -> dict[str, str]:
    trace_id = spans.trace_id
    return {"request_id": request_id} if trace_id is None else {"request_id": request_id, "trace_id": trace_id}


def _describe(spans: TracedStep, scope: Scope, response: _TrackedResponse, request_id: str) -> None:
    route = _route(scope)
    spans.name(f"{_known_method(scope)} {route}")
    spans.note({"http.route": route, "adsum.request_id": request_id})
    if response.status is None:
        spans.fail("disconnected")
        return
    spans.note({"http.response.status_code": response.status})
    if response.status >= 500:
        spans.fail(str(response.status))


def _observe(scope: Scope, response: _TrackedResponse) -> None:
    if response.status is None:
        return  # the client has disconnected
    route, method = _route(scope), scope["method"]
    count: Any = getattr(scope["app"].state, "count_request", None)
    if count is not None:
        count(method, route, response.status, response.seconds)
    refusal = _refusal(scope, response)
    write = log.debug if route in QUIET and not refusal else log.info
    milliseconds = round(response.seconds * 1000, 1)
    write("request", method=method, route=route, status=response.status, ms=milliseconds, **refusal)


def _refusal(scope: Scope, response: _TrackedResponse) -> dict[str, Any]:
    """Of a request that was refused: why, to whom and from where. Other lines do not tell who does what."""
    refusal = refusal_in(scope)
    if refusal is None and not 400 <= (response.status or 0) < 500:
        return {}
    client = scope.get("client")
    found = {"code": refusal, "actor": actor_in(scope), "address": client[0] if client else None}
    return {name: value for name, value in found.items() if value}


def _route(scope: Scope) -> str:
    """The template of the path. The path itself may hold personal data, and its number of values is unbounded."""
    return str(getattr(scope.get("route"), "path_format", "unknown"))


def _origin(scope: Scope, request_id: str) -> Origin:
    client = scope.get("client")
    agent = Headers(scope=scope).get("User-Agent", "")
    return Origin.of_request(client[0] if client else None, request_id, agent)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _FIT_FOR_LOGS.fullmatch(given) else uuid.uuid4().hex


Refuse = Callable[[Request, TooLarge], Response]
FORM = "application/x-www-form-urlencoded"
# That of Starlette, which does not count empty fields. Its parser takes half a microsecond for each `&`.
MAX_FIELDS = 1_000


class BodyLimit:
    """Refuses a request (413) whose body exceeds `limit` bytes, or the limit of its path in `paths`, or is a form with
    more fields than a page has.

    The body is never read beyond the limit, with or without a Content-Length.

    Args:
        forms: the number of fields of larger forms, by the beginning of their paths.
    """

    def __init__(
        self, app: ASGIApp, limit: int, paths: Mapping[str, int], forms: Mapping[str, int], refuse: Refuse
    ) -> None:
        self.app = app
        self.refuse = refuse
        self.limit = limit
        self.paths = paths
        self.forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.paths.get(scope["path"], self.limit)
        too_large = TooLarge(f"the body is larger than {limit} bytes", maxBytes=limit)
        if _declared_length(scope) > limit:
            await self.refuse(Request(scope), too_large)(scope, receive, send)
            return
        fields = self._max_fields(scope)
        body = _CountedBody(receive, send, too_large, limit, fields)
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None:
                raise
        if body.refusal is not None:
            await self.refuse(Request(scope), body.refusal)(scope, receive, send)

    def _max_fields(self, scope: Scope) -> int | None:
        if not Headers(scope=scope).get("content-type", "").strip().lower().startswith(FORM):
            return None
        larger = (most for path, most in self.forms.items() if scope["path"].startswith(path))
        return next(larger, MAX_FIELDS)


class _CountedBody:
    """Counts received bytes and fields. Beyond a limit the application receives nothing more, and its response is
    dropped.
    """

    def __init__(self, receive: Receive, send: Send, too_large: TooLarge, limit: int, fields: int | None) -> None:
        self._receive = receive
        self._send = send
        self._too_large = too_large
        self._left = limit
        self._fields = fields
        self._separators = 0
        self._is_answered = False
        self._exceeded: TooLarge | None = None

    @property
    def refusal(self) -> TooLarge | None:
        """Why the request is refused; None: it is not, or has a response."""
        return None if self._is_answered else self._exceeded

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._exceeded = self._excess(message.get("body", b""))
            if self._exceeded is not None:
                raise ClientDisconnect
        return message

    def _excess(self, body: bytes) -> TooLarge | None:
        self._left -= len(body)
        if self._left < 0:
            return self._too_large
        if self._fields is not None:
            self._separators += body.count(b"&")
            if self._separators >= self._fields:
                return TooLarge(f"the form has more than {self._fields} fields", maxFields=self._fields)
        return None

    async def send(self, message: Message) -> None:
        if self.refusal is not None:
            return
        self._is_answered = True
        await self._send(message)


def _declared_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": POLICY,
    # Responses are about children: no proxy and no shared computer may store them.
    "Cache-Control": "no-store",
}
# Browsers then use HTTPS for a year. Over plain HTTP they ignore the header.
TRANSPORT_SECURITY = "Strict-Transport-Security"
HTTPS_FOR_A_YEAR = "max-age=31536000"


def security_headers(*, is_https: bool, covers_subdomains: bool) -> dict[str, str]:
    """The headers of every response.

    Args:
        is_https: whether it travels over HTTPS.
        covers_subdomains: whether browsers use HTTPS for the hosts below that of Adsum, too.
    """
    if not is_https:
        return HEADERS
    policy = f"{HTTPS_FOR_A_YEAR}; includeSubDomains" if covers_subdomains else HTTPS_FOR_A_YEAR
    return HEADERS | {TRANSPORT_SECURITY: policy}


class SecurityHeaders:
    """Adds the headers that a response does not set itself."""

    def __init__(self, app: ASGIApp, *, covers_subdomains: bool) -> None:
        self.app = app
        self._headers = {
            is_https: security_headers(is_https=is_https, covers_subdomains=covers_subdomains)
            for is_https in (False, True)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        added = self._headers[scope.get("scheme") == "https"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)
