"""Requests to a OneRoster 1.2 REST service: tokens, pages, and retries while the service is busy."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

from adsum.platform.errors import Unreachable, UnusableAnswer, Violation
from adsum.platform.outgoing import Answer, OutgoingRequests
from adsum.roster.syncing.rules import Pause, RosterSource, SourceUnavailable, WrongSource

DEADLINE_S = 60.0
MAX_ANSWER = 64 * 2**20
MAX_TOKEN_ANSWER = 256 * 1024
MAX_CONNECTIONS = 2
ATTEMPTS = 5
# A service that asks for more time is left alone until the next sync.
MAX_WAIT_S = 300.0
BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*]+\s*=\s*(?:"[^"]*"|[^",;]+))*)')
_IS_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)
_MINOR = "imsx_codeMinorFieldValue"
_WORD = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class RestPage:
    """One page of a collection.

    Attributes:
        items: its objects.
        total: how many the collection has; None: the service does not tell.
        has_links: whether the service links pages, so that a page without a next one is the last.
        next_query: the query of the next page; None: there is no link to one.
    """

    items: list[Any]
    total: int | None
    has_links: bool
    next_query: Mapping[str, str] | None


class RosterClient:
    """Reads pages of a source. It follows no redirect: the token goes to the source alone.

    Args:
        source: the service, and how the client signs in.
        now: for a `Retry-After` that is a date.
        pause: waits for some seconds.
    """

    def __init__(self, source: RosterSource, now: Callable[[], datetime], pause: Pause) -> None:
        self._source = source
        self._now = now
        self._pause = pause
        self._requests = OutgoingRequests(MAX_CONNECTIONS)
        self._token: str | None = None

    async def page(self, collection: str, query: Mapping[str, str]) -> RestPage:
        """One page of a collection.

        Raises:
            SourceUnavailable: the service does not answer in time, after several attempts.
            WrongSource: it refuses the request, or answers with something else.
        """
        answer = await self._authorised(collection, f"{self._source.url}/{collection}?{urlencode(query)}")
        if answer.status != HTTPStatus.OK:
            raise wrong_source(collection, f"it answered with status {answer.status}{_word_of(answer)}")
        items = _object_of(collection, answer).get(collection)
        if not isinstance(items, list):
            raise wrong_source(collection, f"its answer has no list {collection!r}")
        link = answer.headers.get("Link")
        return RestPage(
            items,  # pyright: ignore[reportUnknownArgumentType]
            _total_of(answer),
            has_links=link is not None,
            next_query=None if link is None else _next_query(link),
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._requests.close()

    async def _authorised(self, collection: str, url: str) -> Answer:
        """The answer to a request with a token; with a new one if the first is not accepted any more."""
        for _ in range(2):
            if self._token is None:
                self._token = await self._new_token()
            headers = {"Authorization": f"Bearer {self._token}"}
            answer = await self._patiently(collection, "GET", url, max_bytes=MAX_ANSWER, headers=headers)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            self._token = None
        raise wrong_source(collection, "it does not accept the token that its token endpoint has issued")

    async def _new_token(self) -> str:
        """A token by the client credentials of RFC 6749, 4.4."""
        source, name = self._source, "token endpoint"
        pair = f"{quote(source.client_id, safe='')}:{quote(source.secret, safe='')}"
        headers = {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"grant_type": "client_credentials", "scope": source.scope})
        options = {"headers": headers, "content": body}
        answer = await self._patiently(name, "POST", source.token_url, max_bytes=MAX_TOKEN_ANSWER, **options)
        if answer.status != HTTPStatus.OK:
            raise wrong_source(name, f"it refuses the client with status {answer.status}{_word_of(answer)}")
        token = _object_of(name, answer).get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise wrong_source(name, "its answer has no access_token")
        return token

    async def _patiently(self, name: str, method: str, url: str, *, max_bytes: int, **options: Any) -> Answer:
        """Repeats a request while the service is busy or away."""
        problem, wait = "", 0.0
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._pause(wait)
            try:
                answer = await self._requests.send(method, url, deadline_s=DEADLINE_S, max_bytes=max_bytes, **options)
            except Unreachable as error:
                problem, wait = str(error), 2.0**attempt
                continue
            except UnusableAnswer as error:
                raise wrong_source(name, str(error)) from None
            if answer.status not in BUSY and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                return answer
            problem = f"it answered with status {answer.status}"
            wait = max(2.0**attempt, self._wanted_pause(answer))
            if wait > MAX_WAIT_S:
                problem += f" and asks to wait for {wait:.0f} seconds"
                break
        raise SourceUnavailable(f"{name}: {problem}", retryAfter=int(max(wait, 1)))

    def _wanted_pause(self, answer: Answer) -> float:
        """The seconds of `Retry-After`, which is a number or a date."""
        text = answer.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - self._now()).total_seconds())


def wrong_source(resource: str, detail: str, **params: Any) -> WrongSource:
    """The error of a resource that cannot be used."""
    violation = Violation(WrongSource.code, detail, resource, {"resource": resource, **params})
    return WrongSource(f"{resource}: {detail}", [violation])


def _object_of(name: str, answer: Answer) -> dict[str, Any]:
    try:
        return answer.json_object()
    except UnusableAnswer as error:
        raise wrong_source(name, str(error)) from None


def _total_of(answer: Answer) -> int | None:
    text = answer.headers.get("X-Total-Count", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _next_query(link: str) -> Mapping[str, str] | None:
    """The query of the link with `rel="next"` (RFC 8288). Its address is not used: the token goes nowhere else."""
    targets: list[tuple[str, str]] = _LINK.findall(link)
    for target, parameters in targets:
        if _IS_NEXT.search(parameters):
            return dict(parse_qsl(target.partition("#")[0].partition("?")[2], keep_blank_values=True))
    return None


def _word_of(answer: Answer) -> str:
    """The code of an error of OAuth or OneRoster, such as `: invalid_client`."""
    try:
        found = answer.json_object()
    except UnusableAnswer:
        return ""
    words = [found.get("error"), *(each.get(_MINOR) for each in _fields_of(found))]
    word = next((each for each in words if isinstance(each, str) and _WORD.fullmatch(each)), None)
    return f": {word}" if word else ""


def _fields_of(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The fields of OneRoster's `imsx_StatusInfo` that say what is wrong."""
    minor = found.get("imsx_CodeMinor")
    fields = cast("Mapping[str, Any]", minor).get("imsx_codeMinorField") if isinstance(minor, dict) else None
    return [each for each in cast("list[Any]", fields) if isinstance(each, dict)] if isinstance(fields, list) else []
