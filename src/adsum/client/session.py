"""The parts that all requests of a client share: the address of the API, credentials, and time limits."""

from __future__ import annotations

import platform
from typing import Any

import httpx2

from adsum import __version__
from adsum.client.calls import Call, events_path
from adsum.client.following import SILENCE_S, Following


class Session:
    """Makes requests, and sends none."""

    def __init__(
        self, base_url: str, token: str | None, api_key: str | None, on_behalf_of: str | None, timeout: float
    ) -> None:
        if (token is None) == (api_key is None):
            raise ValueError("give either token or api_key")
        credentials = {"Authorization": f"Bearer {token}"} if api_key is None else {"X-API-Key": api_key}
        person = {"X-On-Behalf-Of": on_behalf_of} if on_behalf_of is not None else {}
        agent = {"User-Agent": f"adsum-client/{__version__} python/{platform.python_version()}"}
        self._headers = credentials | person | agent
        self._base = base_url.rstrip("/")
        self._timeout = timeout

    def request(self, call: Call[Any]) -> httpx2.Request:
        return httpx2.Request(
            call.method,
            self._base + call.path,
            params=dict(call.params) or None,
            json=call.json,
            headers={"Accept": "application/json", **self._headers, **call.headers},
            extensions=_limited(self._timeout),
        )

    def listen(self, batch_id: str, following: Following) -> httpx2.Request:
        """The request for the events after the last one."""
        last = {"Last-Event-ID": following.last_id} if following.last_id is not None else {}
        return httpx2.Request(
            "GET",
            self._base + events_path(batch_id),
            headers={"Accept": "text/event-stream", **self._headers, **last},
            extensions=_limited(SILENCE_S),
        )


def _limited(seconds: float) -> dict[str, Any]:
    return {"timeout": httpx2.Timeout(seconds).as_dict()}
