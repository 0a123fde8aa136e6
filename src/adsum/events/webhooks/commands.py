"""`adsum webhook`: endpoints of other systems that receive events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.events.webhooks.replays.service import WebhookReplays
from adsum.events.webhooks.rules import Replayed, Webhook
from adsum.events.webhooks.schemas import (
    AttemptItem,
    DeliveryItem,
    ReplayItem,
    WebhookItem,
    WebhookWithSecretItem,
)
from adsum.events.webhooks.service import MAX_OVERLAP, NewWebhook, Webhooks, WebhookWithSecret
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import SchoolId, duration_up_to, one_of
from adsum.platform.command_line.output import Json, show_item, show_items, show_one, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.database.new_events import EventType
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import PageRequest

app = typer.Typer(no_args_is_help=True)


def _moment(text: str) -> datetime:
    """Raises BadParameter: it is no time, or has no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is not a time with an offset, such as 2024-12-25T08:00:00Z")
    return moment


COLUMNS = ("id", "url", "eventTypes", "schoolId", "createdBy", "disabled", "failingSince", "position")
DROPPED_FIRST = ("position", "failingSince", "createdBy", "eventTypes")
DELIVERIES = ("id", "attemptedAt", "eventId", "eventType", "number", "status", "error", "durationMs", "nextAttemptAt")
WebhookId = Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)]
Types = Annotated[
    list[EventType] | None,
    typer.Option(
        "--type", parser=one_of(EventType), metavar="TYPE", help="Only this type. Repeatable.  [default: all]"
    ),
]
InAnyOrder = Annotated[
    bool | None,
    typer.Option(
        "--any-order/--in-order", help="Whether events may overtake one whose delivery failed.", show_default=False
    ),
]
Moment = Annotated[
    datetime | None,
    typer.Option(parser=_moment, metavar="TIME", help="A time with an offset: 2024-12-25T08:00:00Z"),
]


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint.")],
    *,
    types: Types = None,
    school_id: SchoolId = None,
    any_order: InAnyOrder = None,
    as_json: Json = False,
) -> None:
    """Create a webhook. Its secret is shown only once."""
    new = NewWebhook(url, tuple(types or ()), school_id, in_order=not any_order)
    _show_secret(lambda webhooks: webhooks.create(new, system_caller()), as_json=as_json)


@app.command("list")
def list_webhooks(*, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show webhooks and the state of their deliveries."""
    found = run_with(Webhooks, lambda webhooks: webhooks.list_webhooks(system_caller(), school_id))
    rows = [_cells(WebhookItem.of(each), as_json=as_json) for each in found]
    show_rows(COLUMNS, rows, as_json=as_json, dropped_first=DROPPED_FIRST, none="no webhooks")


@app.command()
def show(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Show one webhook."""
    _show(lambda webhooks: webhooks.get(webhook_id, system_caller()), as_json=as_json)


@app.command()
def change(
    webhook_id: WebhookId,
    *,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Another endpoint.")] = None,
    types: Types = None,
    any_order: InAnyOrder = None,
    as_json: Json = False,
) -> None:
    """Change the endpoint, the types or the order of a webhook."""
    in_order = None if any_order is None else not any_order
    _show(
        lambda webhooks: webhooks.change(
            webhook_id, system_caller(), url=url, event_types=types or None, in_order=in_order
        ),
        as_json=as_json,
    )


@app.command()
def enable(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Enable a webhook. It receives what it has missed, as far as events are kept.

    One that has stopped with an API key goes on without it.
    """
    _show(lambda webhooks: webhooks.change(webhook_id, system_caller(), enabled=True), as_json=as_json)


@app.command()
def disable(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Disable a webhook."""
    _show(lambda webhooks: webhooks.change(webhook_id, system_caller(), enabled=False), as_json=as_json)


@app.command()
def rotate(
    webhook_id: WebhookId,
    *,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=duration_up_to(MAX_OVERLAP, f"an overlap is at most {MAX_OVERLAP.days} days", minimum=timedelta(0)),
            metavar="DURATION",
            help="How long the present secret signs, too. 0s: it ends now.",
        ),
    ] = "1d",  # pyright: ignore[reportArgumentType] - parsed as the option is
    as_json: Json = False,
) -> None:
    """Give a webhook a new secret, which is shown only once."""
    _show_secret(lambda webhooks: webhooks.rotate(webhook_id, overlap, system_caller()), as_json=as_json)


@app.command()
def delete(webhook_id: WebhookId) -> None:
    """Delete a webhook with the log of its deliveries."""
    run_with(Webhooks, lambda webhooks: webhooks.delete(webhook_id, system_caller()))


@app.command("test")
def send_test(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Send a test to a webhook, with the settings of this command. Exits with 1 if it does not arrive.

    The worker that sends the events has its own ADSUM_WEBHOOK_ALLOWED_NETWORKS.
    """
    attempt = run_with(Webhooks, lambda webhooks: webhooks.test(webhook_id, system_caller()))
    show_item(AttemptItem.of(attempt), as_json=as_json)
    if not attempt.has_arrived:
        raise typer.Exit(1)


@app.command()
def deliveries(
    webhook_id: WebhookId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only attempts that did not arrive.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The maximum number of attempts.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the attempts to deliver, the newest first."""
    page = PageRequest(limit=limit)
    found = run_with(
        Webhooks,
        lambda webhooks: webhooks.page_of_deliveries(webhook_id, system_caller(), page, failed_only=failed),
    )
    items = [DeliveryItem.of_delivery(each) for each in found.items]
    show_items(DELIVERIES, items, as_json=as_json, none="no deliveries")


@app.command()
def replay(
    webhook_id: WebhookId,
    *,
    event: Annotated[int | None, typer.Option(min=1, max=MAX_ID, metavar="ID", help="This event.")] = None,
    since: Moment = None,
    until: Moment = None,
    as_json: Json = False,
) -> None:
    """Deliver one event again, or the events of a period. A disabled webhook receives them once it is enabled."""
    if (event is None) != (since is not None and until is not None):
        raise typer.BadParameter("give either --event, or --since and --until")

    def again(replays: WebhookReplays) -> Awaitable[Replayed]:
        if since is not None and until is not None:
            return replays.replay_period(webhook_id, since, until, system_caller())
        assert event is not None, "it is checked above"
        return replays.replay_event(webhook_id, event, system_caller())

    replayed = run_with(WebhookReplays, again)
    cells = ReplayItem.of(replayed).model_dump(mode="json", by_alias=True)
    show_one({name: value for name, value in cells.items() if as_json or value is not None}, as_json=as_json)
    if replayed.events and replayed.disabled is not None and not as_json:
        show_notice(
            f"webhook {webhook_id} is disabled: nothing is delivered until it is enabled, with "
            f"`adsum webhook enable {webhook_id}`"
        )


def _show(read: Callable[[Webhooks], Awaitable[Webhook]], *, as_json: bool) -> None:
    _show_item(WebhookItem.of(run_with(Webhooks, read)), as_json=as_json)


def _show_secret(make: Callable[[Webhooks], Awaitable[WebhookWithSecret]], *, as_json: bool) -> None:
    _show_item(WebhookWithSecretItem.showing(run_with(Webhooks, make)), as_json=as_json)
    if not as_json:
        show_notice("the secret is shown only now: store it where the deliveries are received")


def _show_item(item: WebhookItem, *, as_json: bool) -> None:
    """Shows a webhook. People do not see what it lacks, such as the end of an earlier secret."""
    cells = _cells(item, as_json=as_json)
    show_one({name: value for name, value in cells.items() if as_json or value is not None}, as_json=as_json)


def _cells(item: WebhookItem, *, as_json: bool) -> dict[str, Any]:
    """The fields of a webhook. JSON has no types if it receives all of them."""
    cells = item.model_dump(mode="json" if as_json else "python", by_alias=True)
    if as_json:
        return cells
    role, key_id, user_id = (cells.pop(f"createdBy{part}") for part in ("Role", "KeyId", "UserId"))
    ids = {"key": key_id, "user": user_id}
    named = " for ".join(f"{kind} {number}" for kind, number in ids.items() if number is not None)
    return {**cells, "eventTypes": cells["eventTypes"] or "all", "createdBy": named or role}
