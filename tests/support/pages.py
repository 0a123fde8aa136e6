"""The pages for people, requested as a browser requests them, in the test's process."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2

from tests.support.api import Api

_FOR_BROWSERS = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
_UNSEEN = re.compile(r"<(script|style|head)\b.*?</\1>|<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pages:
    """Opens pages and sends forms as users of one school, with the tokens of `api` in the session cookie."""

    api: Api

    async def open(self, path: str, role: str = "office", language: str = "en", **query: Any) -> httpx2.Response:
        headers = self._headers(role) | {"Accept-Language": language}
        return await self.api.client.get(path, params=query or None, headers=headers)

    async def refresh(self, path: str, open_page: str, role: str = "office") -> httpx2.Response:
        """Reads a part of the page at `open_page`, as its script does."""
        headers = self._headers(role) | {"HX-Request": "true", "HX-Current-URL": f"http://a.example{open_page}"}
        return await self.api.client.get(path, headers=headers)

    async def send(
        self, path: str, fields: Mapping[str, Any], role: str = "office", file: bytes | None = None, **headers: str
    ) -> httpx2.Response:
        """Sends a form, with `file` as its file, if there is one. `_` in the names of headers is `-`."""
        return await self.api.client.post(
            path,
            data=dict(fields),
            files={"file": ("upload", file)} if file is not None else None,
            headers=self._headers(role) | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    async def visitor_of(self, role: str) -> int:
        """The id of the user, by which forms name the visitor for whom they were made."""
        user_id = (await self.api.adsum.tokens.caller_of(self.api.tokens[role])).user_id
        assert user_id is not None
        return user_id

    def _headers(self, role: str) -> dict[str, str]:
        return _FOR_BROWSERS | {"Cookie": f"adsum={self.api.tokens[role]}"}


def visible_text(page: httpx2.Response) -> str:
    """The text of a page as people read it, on one line."""
    without_tags = re.sub(r"<[^>]+>", " ", _UNSEEN.sub(" ", page.text))
    return " ".join(html.unescape(without_tags).split())


def done_of(answer: httpx2.Response) -> str:
    """The name of the action, in the redirect that answers a form."""
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    return answer.headers["location"].rpartition("done=")[2]
