"""HTTP requests to providers: over TLS, within a time, with bounded answers, and without redirects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx2

from adsum.accounts.single_sign_on.rules import UnusableAnswer

DEADLINE_S = 6.0
MAX_ANSWER = 256 * 1024
MAX_CONNECTIONS = 20
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Adsum"}


class Transport:
    """Sends requests and parses the JSON of their answers.

    Every method raises UnusableAnswer if there is no answer in time, or if it is no JSON object.
    """

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(
            headers=HEADERS,
            follow_redirects=False,
            timeout=httpx2.Timeout(DEADLINE_S),
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS),
        )

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object at a URL, whose status has to be 200."""
        status, found = await self._answer("GET", url, headers=headers)
        if status != 200:
            raise UnusableAnswer(f"it answered with status {status}")
        return found

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and object of the answer to a form. Of a server error there is no object."""
        return await self._answer("POST", url, content=body, headers=headers)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _answer(self, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        try:
            async with asyncio.timeout(DEADLINE_S), self._client.stream(method, url, **options) as response:
                if response.status_code >= 500:
                    raise UnusableAnswer(f"it answered with status {response.status_code}")
                return response.status_code, _object_of(await _content_of(response))
        except TimeoutError:
            raise UnusableAnswer(f"it did not answer within {DEADLINE_S:.0f} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UnusableAnswer(f"it cannot be reached: {type(error).__name__}") from None


async def _content_of(response: httpx2.Response) -> bytes:
    """The raw content: a small compressed answer could be large."""
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > MAX_ANSWER:
            raise UnusableAnswer(f"its answer is larger than {MAX_ANSWER} bytes")
    return bytes(content)


def _object_of(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise UnusableAnswer("its answer is not JSON") from None
    if not isinstance(found, dict):
        raise UnusableAnswer("its answer is not a JSON object")
    return found  # pyright: ignore[reportUnknownVariableType] - keys of JSON objects are texts
