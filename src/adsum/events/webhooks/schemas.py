"""Wire format of webhooks and their deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from adsum.events.webhooks.rules import MAX_URL, Attempt, Delivery, Disabled, Replayed, Webhook
from adsum.events.webhooks.service import MAX_OVERLAP, NewWebhook, WebhookWithSecret
from adsum.platform.database.new_events import EventType
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Flag, Id, Moment, PathId, PlainText, Schema, SentMoment, SentSchema

Url = Annotated[
    PlainText,
    Field(min_length=1, max_length=MAX_URL, description="The endpoint, with https unless its network is allowed."),
]
EventTypes = Annotated[list[EventType], Field(max_length=50, description="Only these types; empty: all types.")]
InOrder = Annotated[Flag, Field(description="Whether a failed delivery holds up the events after it.")]


class WebhookItem(Schema):
    """A webhook, without its secret."""

    id: int
    url: Annotated[str, Field(description="The address that receives the deliveries.")]
    event_types: Annotated[list[str], Field(description="Only these types; empty: all types.")]
    school_id: Annotated[int | None, Field(description="Only events about this school; null: all events.")]
    in_order: Annotated[bool, Field(description="Whether a failed delivery holds up the events after it.")]
    created_at: Annotated[
        Moment, Field(description="It receives what has happened since; earlier events only by a replay.")
    ]
    disabled: Annotated[
        Disabled | None,
        Field(
            description="Why it receives nothing: `by_person`; `failing` for three days; `gone`: the receiver answered "
            "410; `key_ended`: the API key `endsWithKeyId` was revoked or has expired. null: it is enabled."
        ),
    ]
    disabled_at: Annotated[Moment | None, Field(description="Since when it is disabled.")]
    position: Annotated[int, Field(description="The id of the event up to which everything was delivered.")]
    attempts: Annotated[int, Field(description="Failed attempts since the last delivery that arrived.")]
    failing_since: Annotated[Moment | None, Field(description="The first of them.")]
    next_attempt_at: Annotated[
        Moment | None,
        Field(description="When the next attempt follows; null: no attempt has failed, or it is disabled."),
    ]
    earlier_ends_at: Annotated[
        Moment | None, Field(description="Until when the secret before the last rotation signs, too; it may be over.")
    ] = None
    created_by_role: Annotated[
        str | None,
        Field(
            validation_alias="created_role",
            description="The role of the author, as in records; null: an earlier version has created it.",
        ),
    ] = None
    created_by_user_id: Annotated[int | None, Field(validation_alias="created_user_id")] = None
    created_by_key_id: Annotated[int | None, Field(validation_alias="created_key_id")] = None
    ends_with_key_id: Annotated[
        int | None,
        Field(
            description="The API key that has set the URL. Nothing is sent there once it is revoked or has expired. "
            "null: a person or the command line has set it."
        ),
    ] = None

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookItem:
        return cls.model_validate(webhook)


class WebhookWithSecretItem(WebhookItem):
    """A webhook and its new secret."""

    secret: Annotated[str, Field(description="Signs the deliveries, `whsec_…`. It is shown only now.")]

    @classmethod
    def showing(cls, new: WebhookWithSecret) -> WebhookWithSecretItem:
        return cls(**WebhookItem.of(new.webhook).model_dump(by_alias=False), secret=new.secret)


class NewWebhookBody(SentSchema):
    """A new webhook."""

    url: Url
    event_types: EventTypes = []
    school_id: Annotated[Id | None, Field(description="Only events about this school; null: all events.")] = None
    in_order: InOrder = True

    def to_webhook(self) -> NewWebhook:
        return NewWebhook(self.url, tuple(self.event_types), self.school_id, self.in_order)


class ChangedWebhookBody(SentSchema):
    """The changes of a webhook, at least one. A field that is missing or null stays."""

    url: Url | None = None
    event_types: EventTypes | None = None
    in_order: InOrder | None = None
    enabled: Annotated[
        Flag | None,
        Field(
            description="False disables it. True enables it: it receives what it has missed, and makes its next "
            "attempts now."
        ),
    ] = None


class WebhookRotationBody(SentSchema):
    """How long the present secret signs, too."""

    overlap_seconds: Annotated[
        int,
        Field(ge=0, le=round(MAX_OVERLAP.total_seconds()), strict=True, description="Seconds; 0: it ends at once."),
    ] = 86_400

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)


class AttemptItem(Schema):
    """The result of an attempt to deliver."""

    attempted_at: Annotated[Moment, Field(description="When it began.")]
    duration_ms: Annotated[int, Field(description="Milliseconds until the answer or the error.")]
    status: Annotated[int | None, Field(description="The HTTP status of the answer; null: there was none.")]
    error: Annotated[
        str | None,
        Field(
            description="Why there was no answer: `timeout`, `connection_failed`, `connection_broken`, "
            "`address_refused`; null: there was one."
        ),
    ]
    answer: Annotated[
        str,
        Field(
            description="The first 500 characters of the answer to a test. Empty for an event: its answer may name "
            "students, and is not stored."
        ),
    ]
    has_arrived: Annotated[bool, Field(description="Whether the status is 200 to 299.")]

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptItem:
        return cls.model_validate(attempt)


class DeliveryItem(AttemptItem):
    """An attempt in the log of a webhook."""

    id: Annotated[int, Field(description="The entry of the log.")]
    event_id: Annotated[int | None, Field(description="The event; null: a test.")]
    event_type: Annotated[str, Field(description="The type of the event; `webhook.test` of a test.")]
    number: Annotated[
        int, Field(description="1, and one more after each failure. It begins anew if the event is delivered again.")
    ] = 1
    next_attempt_at: Annotated[
        Moment | None, Field(description="When the next attempt follows; null: none does, or a later entry has it.")
    ] = None

    @classmethod
    def of_delivery(cls, delivery: Delivery) -> DeliveryItem:
        own = {
            "id": delivery.id,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
            "number": delivery.number,
            "next_attempt_at": delivery.next_attempt_at,
        }
        return cls.model_validate(AttemptItem.of(delivery.attempt).model_dump(by_alias=False) | own)


class WebhookQuery(PageQuery):
    """The filters of webhooks."""

    school_id: PathId | None = None


class DeliveryQuery(PageQuery):
    """The filters of the log."""

    failed: Annotated[bool, Field(description="Only attempts that did not arrive.")] = False


class ReplayBody(SentSchema):
    """The events to deliver again: one event, or those of a period."""

    event_id: Annotated[Id | None, Field(description="This event.")] = None
    since: Annotated[SentMoment | None, Field(description="Events from this moment on.")] = None
    until: Annotated[SentMoment | None, Field(description="Events before this moment.")] = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> ReplayBody:
        is_period = self.since is not None and self.until is not None
        if (self.event_id is not None) == is_period or (self.since is None) != (self.until is None):
            raise PydanticCustomError("wrong_replay", "a replay has either eventId, or since and until")
        return self


class ReplayItem(Schema):
    """The number of events that are delivered again, and whether they wait until the webhook is enabled."""

    events: Annotated[int, Field(description="Events that will be delivered again.")]
    disabled: Annotated[
        Disabled | None,
        Field(
            description="Why the webhook is disabled, as in the webhook: nothing is delivered until it is enabled. "
            "null: it is enabled."
        ),
    ]

    @classmethod
    def of(cls, replayed: Replayed) -> ReplayItem:
        return cls.model_validate(replayed)
