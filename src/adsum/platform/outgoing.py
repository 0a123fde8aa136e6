"""HTTP requests to servers that the settings name: within a time, with bounded answers, and without redirects.

The library takes half a second to import, so modules import this one when they send the first request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from adsum.platform.errors import Unreachable, UnusableAnswer

HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Adsum"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request. The names of `headers` may have any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json_object(self) -> dict[str, Any]:
        """The JSON object that the content is. Raises UnusableAnswer."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            raise UnusableAnswer("its answer is not JSON") from None
        if not isinstance(found, dict):
            raise UnusableAnswer("its answer is not a JSON object")
        return found  # pyright: ignore[reportUnknownVariableType] - keys of JSON objects are texts


class OutgoingRequests:
    """Sends requests. Certificates are verified."""

    def __init__(self, max_connections: int) -> None:
        self._client = httpx2.AsyncClient(
            headers=HEADERS,
            follow_redirects=False,
            timeout=None,
            limits=httpx2.Limits(max_connections=max_connections),
        )

    async def send(self, method: str, url: str, *, deadline_s: float, max_bytes: int, **options: Any) -> Answer:
        """Sends a request. `options`: `headers` and `content`.

        Raises:
            Unreachable: there is no whole answer in time.
            UnusableAnswer: the answer is larger than `max_bytes`.
        """
        try:
            async with asyncio.timeout(deadline_s), self._client.stream(method, url, **options) as response:
                return Answer(response.status_code, response.headers, await _content_of(response, max_bytes))
        except TimeoutError:
            raise Unreachable(f"it did not answer within {deadline_s:.0f} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(f"it cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


async def _content_of(response: httpx2.Response, max_bytes: int) -> bytes:
    """The raw content: a small compressed answer could be large."""
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > max_bytes:
            raise UnusableAnswer(f"its answer is larger than {max_bytes} bytes")
    return bytes(content)
