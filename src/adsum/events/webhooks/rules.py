"""Values of webhooks: their state, their deliveries, and the pauses between attempts."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from standardwebhooks import Webhook as StandardWebhook

from adsum.platform.database.new_events import EventType
from adsum.platform.errors import Violation

MAX_URL = 2_000
# `urlsplit` removes blanks and control characters in some places: it would check another text than is stored and sent.
_VISIBLE = re.compile(r"[!-~]+")
# `urlsplit` ignores text behind the bracket of an address.
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::[0-9]{0,5})?")
SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every secret
# Standard Webhooks wants 24 to 64 random bytes.
_SECRET_BYTES = 32
DISPATCHER = "webhooks"
"""The name of the dispatcher as a reader of events."""
RETRY_FOR = timedelta(days=3)
"""How long deliveries may fail before the webhook is disabled: see `_reason_to_disable` in `delivery.py`."""
MAX_ATTEMPTS = 24
"""After so many failures one event is given up, in any order only. It does not disable the webhook: `RETRY_FOR` does.

With the pauses between them the attempts take four days, which is longer than `RETRY_FOR`. The event stays in the log.
"""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _JITTER = 5.0, 6 * 3600.0, 0.2
DELIVERED, NOT_ACCEPTED = "delivered", "not_accepted"
MAX_ANSWER = 500
"""Characters of an answer that are kept."""


class Disabled(StrEnum):
    """Why a webhook is disabled: a person did it, deliveries failed for `RETRY_FOR`, the receiver answered 410, or the
    API key that has set the URL was revoked or has expired. The last one is not stored: the key itself says it.
    """

    BY_PERSON = "by_person"
    FAILING = "failing"
    GONE = "gone"
    KEY_ENDED = "key_ended"


STOPPED = (Disabled.FAILING, Disabled.GONE, Disabled.KEY_ENDED)
"""Why webhooks stop without anybody having disabled them."""


class NoAnswerReason(StrEnum):
    """Why an attempt got no answer."""

    TIMEOUT = "timeout"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_BROKEN = "connection_broken"
    ADDRESS_REFUSED = "address_refused"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint of another system.

    Attributes:
        id: of the webhook.
        url: of the endpoint.
        event_types: the types that it receives; empty: all.
        school_id: it receives events about this school alone; None: all events.
        in_order: whether a failed delivery holds up the events after it.
        created_at: when it was created. It receives what happened after that; earlier events only by a replay.
        created_role: the role of its creator; None: nobody knows who created it.
        created_user_id: the creator; None: an API key or the command line.
        created_key_id: the API key of the request that created it; None: none.
        ends_with_key_id: the API key that has set the URL; None: a person or the command line has.
        key_ends_at: when this key expires, or was revoked; None: neither.
        disabled: why it receives nothing; None: it is enabled.
        disabled_at: since when.
        newest_id: the id of the newest event that it is to receive, as far as the dispatcher knows.
        position: the id of the event up to which it has received everything, apart from retries.
        attempts: failed attempts since the last delivery that arrived.
        failing_since: the first of them.
        next_attempt_at: there is no attempt before; None: no attempt has failed, or it is disabled.
        earlier_ends_at: until when the secret before the last rotation signs, too; it may be over.
    """

    id: int
    url: str
    event_types: tuple[str, ...]
    school_id: int | None
    in_order: bool
    created_at: datetime
    created_role: str | None
    created_user_id: int | None
    created_key_id: int | None
    ends_with_key_id: int | None
    key_ends_at: datetime | None
    disabled: Disabled | None
    disabled_at: datetime | None
    newest_id: int
    position: int
    attempts: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    earlier_ends_at: datetime | None = None

    @property
    def host(self) -> str:
        """The host of the URL, whose path and query may hold a secret of the receiver."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver.

    Attributes:
        attempted_at: when it began.
        duration_ms: until the answer, or the error.
        status: of the answer; None: there was none.
        error: why there was no answer; None: there was one.
        answer: the beginning of the answer to a test; empty for an event.
    """

    attempted_at: datetime
    duration_ms: int
    status: int | None
    error: str | None = None
    answer: str = ""

    @property
    def has_arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def outcome(self) -> str:
        """`DELIVERED`, `NOT_ACCEPTED` for another answer, or a `NoAnswerReason`."""
        return self.error or (DELIVERED if self.has_arrived else NOT_ACCEPTED)

    @property
    def is_gone(self) -> bool:
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt in the log of a webhook.

    Attributes:
        id: of the entry.
        webhook_id: of the webhook.
        event_id: of the event; None: a test.
        event_type: of the event.
        number: 1, and one more after each failure. It begins anew if the event is delivered again.
        attempt: the result.
        next_attempt_at: when the next attempt follows; None: none does, or a later entry has it.
    """

    id: int
    webhook_id: int
    event_id: int | None
    event_type: str
    number: int
    attempt: Attempt
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """An event that is to be delivered again, after so many failed attempts."""

    attempts: int
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of events that a webhook has still to receive. `has_more`: not all were counted."""

    count: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of a request to deliver events again.

    Attributes:
        events: their number.
        disabled: why nothing is delivered before the webhook is enabled; None: it is enabled.
    """

    events: int
    disabled: Disabled | None


def next_attempt_after(webhook: Webhook, delivery: Delivery, retry: Retry | None) -> datetime | None:
    """When the attempt that follows this one is due; None: none follows, or it was made already."""
    if webhook.disabled or delivery.event_id is None or delivery.attempt.has_arrived:
        return None
    if retry is not None:
        failed = webhook.attempts if webhook.in_order else retry.attempts
        due = max(retry.next_attempt_at, webhook.next_attempt_at or retry.next_attempt_at)
    else:
        failed, due = webhook.attempts, webhook.next_attempt_at
        if delivery.event_id <= webhook.position:
            return None
    return due if delivery.number == failed else None


def pause_after(attempts: int, chance: float) -> timedelta:
    """The pause after so many failed attempts: 5 seconds, three times as long each time, at most 6 hours.

    `chance` from 0 to 1 makes it up to a fifth shorter or longer, so that many webhooks of one receiver do not return
    together.
    """
    pause: float = min(_FIRST_PAUSE_S * 3 ** min(attempts - 1, 20), _LONGEST_PAUSE_S)
    return timedelta(seconds=pause * (1 - _JITTER + 2 * _JITTER * chance))


def validate_types(event_types: Sequence[EventType]) -> list[Violation]:
    """A violation for each type that is named again."""
    return [
        Violation("event_type_repeated", f"the type {each} is named twice", f"/eventTypes/{index}", {"eventType": each})
        for index, each in enumerate(event_types)
        if each in event_types[:index]
    ]


def parse_endpoint(url: str) -> tuple[str, int, bool] | None:
    """Host, port and whether TLS is used; None: no URL of a webhook, which has neither user nor fragment."""
    if len(url) > MAX_URL or not _VISIBLE.fullmatch(url) or "#" in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _AUTHORITY.fullmatch(parts.netloc):
        return None
    is_secure = parts.scheme == "https"
    return host, port or (443 if is_secure else 80), is_secure


def new_secret() -> str:
    """A secret of a webhook, in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signatures(message_id: str, moment: datetime, body: str, current: Sequence[str]) -> str:
    """The header `webhook-signature` of Standard Webhooks: one signature for each secret, separated by blanks.

    `moment` is in UTC, and the header `webhook-timestamp` has its whole seconds.
    """
    return " ".join(StandardWebhook(secret).sign(message_id, moment, body) for secret in current)
