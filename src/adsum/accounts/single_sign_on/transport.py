"""HTTP requests to providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adsum.platform.errors import UnusableAnswer
from adsum.platform.outgoing import Answer, OutgoingRequests

DEADLINE_S = 6.0
MAX_ANSWER = 256 * 1024
MAX_CONNECTIONS = 20


class Transport:
    """Sends requests and parses the JSON of their answers.

    Every method raises UnusableAnswer if there is no answer in time, or if it is no JSON object.
    """

    def __init__(self) -> None:
        self._requests = OutgoingRequests(MAX_CONNECTIONS)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object at a URL, whose status has to be 200."""
        answer = await self._answer("GET", url, headers=headers)
        if answer.status != 200:
            raise UnusableAnswer(f"it answered with status {answer.status}")
        return answer.json_object()

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and object of the answer to a form. Of a server error there is no object."""
        answer = await self._answer("POST", url, content=body, headers=headers)
        return answer.status, answer.json_object()

    async def close(self) -> None:
        """Closes the connections."""
        await self._requests.close()

    async def _answer(self, method: str, url: str, **options: Any) -> Answer:
        answer = await self._requests.send(method, url, deadline_s=DEADLINE_S, max_bytes=MAX_ANSWER, **options)
        if answer.status >= 500:
            raise UnusableAnswer(f"it answered with status {answer.status}")
        return answer
