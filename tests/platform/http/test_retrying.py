"""Clients that were refused together do not come back together."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus

from adsum.platform.http.retrying import RETRY_WITHIN_S, headers_of_status


def test_refused_clients_come_back_over_some_seconds() -> None:
    pauses = Counter(int(headers_of_status(HTTPStatus.SERVICE_UNAVAILABLE)["Retry-After"]) for _ in range(1_000))
    assert set(pauses) == set(range(1, RETRY_WITHIN_S + 1))
    assert max(pauses.values()) < 300


def test_other_answers_name_no_time() -> None:
    assert headers_of_status(HTTPStatus.NOT_FOUND) == {}
    assert set(headers_of_status(HTTPStatus.UNAUTHORIZED)) == {"WWW-Authenticate"}
