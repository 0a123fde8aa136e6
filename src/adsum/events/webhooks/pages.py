"""`/admin/webhooks`: the webhooks, their deliveries, and what can be done with them. A secret is shown once, in the
response that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from pydantic import BaseModel, Field

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.events.webhooks.page_data import WebhookPageData
from adsum.events.webhooks.replays.service import WebhookReplays
from adsum.events.webhooks.rules import RETRY_FOR, Webhook
from adsum.events.webhooks.sending import DEADLINE_S
from adsum.events.webhooks.service import NewWebhook, Webhooks
from adsum.platform.database.new_events import EventType
from adsum.platform.errors import AdsumError, ConfirmationNeeded, Forbidden, Violation, refuse
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute

PATH = "/admin/webhooks"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)

Manager = Annotated[Visitor, Depends(visitor_with(Permission.WEBHOOK_MANAGE))]
WebhookService = Annotated[Webhooks, Depends(provided(Webhooks))]
PageData = Annotated[WebhookPageData, Depends(provided(WebhookPageData))]
WebhookId = Annotated[PathId, Path(alias="id")]
Text = Annotated[PlainText, Field(max_length=4_000)]
# The overlaps that the page offers, in days.
OVERLAPS = (0, 1, 7)
REFUSED = (*WRONG, Forbidden)
# The types by what they are about, in the order in which the form has them.
TYPES = {
    area: [each for each in EventType if each.value.startswith(f"{area}.")]
    for area in dict.fromkeys(each.value.partition(".")[0] for each in EventType)
}


class WebhookForm(BaseModel):
    """The fields of a webhook that can be changed."""

    url: Text = ""
    scope: Literal["all", "some"] = "all"
    type: list[EventType] = []
    order: Literal["kept", "any"] = "kept"

    @property
    def event_types(self) -> Sequence[EventType]:
        return self.type if self.scope == "some" else ()

    @property
    def in_order(self) -> bool:
        return self.order == "kept"

    def violations(self) -> list[Violation]:
        if self.scope == "all" or self.type:
            return []
        detail = "choose at least one type of event"
        return [Violation("event_types_missing", detail, "/eventTypes")]


class NewWebhookForm(WebhookForm):
    """The form for a new webhook. `school` empty: all schools."""

    school: PathId | Literal[""] = ""


class ShownLog(BaseModel):
    """The part of the log, and in `done` and `count` what led back to the page."""

    cursor: str | None = None
    show: Literal["all", "failed"] = "all"
    done: str = ""
    count: int = 0


class ReplayForm(BaseModel):
    """One event, or a period in the time zone of the page."""

    event: PathId | None = None
    since: Text = ""
    until: Text = ""

    def period(self, time_zone: str) -> tuple[datetime, datetime]:
        """Raises Invalid with all violations."""
        violations: list[Violation] = []
        since, until = (_moment(getattr(self, name), time_zone, name, violations) for name in ("since", "until"))
        refuse(violations)
        assert since is not None, "it is a moment"
        assert until is not None, "it is a moment"
        return since, until


def _moment(text: str, time_zone: str, name: str, violations: list[Violation]) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{text[:40]!r} is not a day and a time"
        violations.append(Violation("wrong_moment", detail, f"/{name}"))
        return None


@router.get("")
async def webhooks(request: Request, page_data: PageData, visitor: Manager, now: Now, done: str = "") -> Response:
    """The webhooks, and the form for a new one."""
    return await _list(request, page_data, visitor, now, form=NewWebhookForm(), done=done)


@router.post("")
async def create_webhook(
    request: Request,
    service: WebhookService,
    page_data: PageData,
    visitor: Manager,
    now: Now,
    form: Annotated[NewWebhookForm, Form()],
) -> Response:
    """Creates a webhook and shows its secret once; the response is not a redirect, so that no address shows it."""
    new = NewWebhook(form.url.strip(), tuple(form.event_types), form.school or None, form.in_order)
    try:
        await _refuse(form, service, visitor)
        made = await service.create(new, visitor.caller)
    except ConfirmationNeeded:
        raise
    except REFUSED as error:
        return await _list(request, page_data, visitor, now, form=form, error=error)
    return await _webhook(request, page_data, visitor, now, made.webhook.id, secret=made.secret)


@router.get("/{id}")
async def webhook(
    request: Request,
    webhook_id: WebhookId,
    page_data: PageData,
    visitor: Manager,
    now: Now,
    shown: Annotated[ShownLog, Query()],
) -> Response:
    """The state of a webhook and its log."""
    return await _webhook(request, page_data, visitor, now, webhook_id, shown=shown)


@router.get("/{id}/now")
async def webhook_now(
    request: Request,
    webhook_id: WebhookId,
    page_data: PageData,
    visitor: Manager,
    now: Now,
    shown: Annotated[ShownLog, Query()],
) -> Response:
    """The part of the page that it refreshes: the state and the log."""
    values = await _values(page_data, visitor, now, webhook_id, shown)
    return site_of(request).page(request, "admin/webhook_now.html", visitor=visitor, **values)


@router.get("/{id}/settings")
async def settings(
    request: Request, webhook_id: WebhookId, page_data: PageData, visitor: Manager, now: Now
) -> Response:
    """The fields that can be changed."""
    return await _settings(request, page_data, visitor, now, webhook_id)


@router.post("/{id}/settings")
async def change_webhook(
    request: Request,
    webhook_id: WebhookId,
    service: WebhookService,
    page_data: PageData,
    visitor: Manager,
    now: Now,
    form: Annotated[WebhookForm, Form()],
) -> Response:
    """Changes the endpoint, the types and the order."""
    stored = await service.get(webhook_id, visitor.caller)
    url = form.url.strip()
    try:
        await _refuse(form, service, visitor, stored)
        await service.change(
            webhook_id,
            visitor.caller,
            url=None if url == stored.url else url,
            event_types=form.event_types,
            in_order=form.in_order,
        )
    except ConfirmationNeeded:
        raise
    except REFUSED as error:
        return await _settings(request, page_data, visitor, now, webhook_id, form=form, error=error)
    return redirect_to(f"{PATH}/{webhook_id}?done=saved")


@router.post("/{id}/state")
async def set_state(
    webhook_id: WebhookId, service: WebhookService, visitor: Manager, *, enabled: Annotated[bool, Form()]
) -> Response:
    """Disables or enables a webhook. One that is enabled already makes its next attempt now."""
    before = await service.get(webhook_id, visitor.caller)
    await service.change(webhook_id, visitor.caller, enabled=enabled)
    done = "disabled" if not enabled else "enabled" if before.disabled else "resumed"
    return redirect_to(f"{PATH}/{webhook_id}?done={done}")


@router.post("/{id}/rotate")
async def rotate_webhook(
    request: Request,
    webhook_id: WebhookId,
    service: WebhookService,
    page_data: PageData,
    visitor: Manager,
    now: Now,
    overlap: Annotated[int, Form(ge=0, le=max(OVERLAPS))] = 1,
) -> Response:
    """Makes a new secret and shows it once."""
    made = await service.rotate(webhook_id, timedelta(days=overlap), visitor.caller)
    return await _webhook(request, page_data, visitor, now, webhook_id, secret=made.secret)


@router.post("/{id}/test")
async def test_webhook(webhook_id: WebhookId, service: WebhookService, visitor: Manager) -> Response:
    """Sends a test. Its result is in the log."""
    await service.test(webhook_id, visitor.caller)
    return redirect_to(f"{PATH}/{webhook_id}?done=tested")


@router.post("/{id}/replay")
@costly
async def replay(
    request: Request,
    webhook_id: WebhookId,
    replays: Annotated[WebhookReplays, Depends(provided(WebhookReplays))],
    page_data: PageData,
    visitor: Manager,
    now: Now,
    form: Annotated[ReplayForm, Form()],
) -> Response:
    """Delivers one event again, or those of a period."""
    try:
        if form.event is not None:
            replayed = await replays.replay_event(webhook_id, form.event, visitor.caller)
        else:
            view = await page_data.settings(webhook_id, visitor.caller)
            replayed = await replays.replay_period(webhook_id, *form.period(view.time_zone), visitor.caller)
    except REFUSED as error:
        return await _webhook(request, page_data, visitor, now, webhook_id, replay=form, error=error)
    return redirect_to(f"{PATH}/{webhook_id}?done=again&count={replayed.events}")


@router.post("/{id}/delete")
async def delete_webhook(webhook_id: WebhookId, service: WebhookService, visitor: Manager) -> Response:
    """Deletes a webhook with its log."""
    await service.delete(webhook_id, visitor.caller)
    return redirect_to(f"{PATH}?done=deleted")


async def _refuse(form: WebhookForm, service: Webhooks, visitor: Visitor, stored: Webhook | None = None) -> None:
    """Raises Invalid with all violations, if the form itself has one. Others are found by the service."""
    violations = form.violations()
    url = form.url.strip()
    if violations and (stored is None or url != stored.url):
        violations = [*await service.violations_of_url(url, visitor.caller), *violations]
    refuse(violations)


async def _list(
    request: Request,
    page_data: WebhookPageData,
    visitor: Visitor,
    now: datetime,
    *,
    form: NewWebhookForm,
    error: AdsumError | None = None,
    done: str = "",
) -> Response:
    return site_of(request).page(
        request,
        "admin/webhooks.html",
        status=status_with(error),
        visitor=visitor,
        listed=await page_data.listed(visitor.caller),
        sees_all=visitor.caller.schools is None,
        types=TYPES,
        now=now,
        form=form,
        error=error,
        done=done,
    )


async def _webhook(
    request: Request,
    page_data: WebhookPageData,
    visitor: Visitor,
    now: datetime,
    webhook_id: int,
    *,
    shown: ShownLog | None = None,
    secret: str | None = None,
    replay: ReplayForm | None = None,
    error: AdsumError | None = None,
) -> Response:
    values = await _values(page_data, visitor, now, webhook_id, shown or ShownLog())
    return site_of(request).page(
        request,
        "admin/webhook.html",
        status=status_with(error),
        visitor=visitor,
        secret=secret,
        replay=replay or ReplayForm(),
        error=error,
        deadline_s=round(DEADLINE_S),
        **values,
    )


async def _values(
    page_data: WebhookPageData, visitor: Visitor, now: datetime, webhook_id: int, shown: ShownLog
) -> dict[str, Any]:
    """The values of `webhook_now.html`."""
    failed_only = shown.show == "failed"
    return {
        "view": await page_data.view(webhook_id, visitor.caller, shown.cursor, failed_only=failed_only),
        "shown": shown,
        "now": now,
        "retry_for": RETRY_FOR,
    }


async def _settings(
    request: Request,
    page_data: WebhookPageData,
    visitor: Visitor,
    now: datetime,
    webhook_id: int,
    *,
    form: WebhookForm | None = None,
    error: AdsumError | None = None,
) -> Response:
    view = await page_data.settings(webhook_id, visitor.caller)
    return site_of(request).page(
        request,
        "admin/webhook_settings.html",
        status=status_with(error),
        visitor=visitor,
        view=view,
        types=TYPES,
        overlaps=OVERLAPS,
        form=form or _stored(view.webhook),
        error=error,
        now=now,
    )


def _stored(webhook: Webhook) -> WebhookForm:
    return WebhookForm(
        url=webhook.url,
        scope="some" if webhook.event_types else "all",
        type=[EventType(each) for each in webhook.event_types],
        order="kept" if webhook.in_order else "any",
    )
