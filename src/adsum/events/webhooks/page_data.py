"""The data of the pages of webhooks: the list, and one webhook with its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller
from adsum.events.webhooks.rules import Delivery, Webhook
from adsum.events.webhooks.service import Webhooks
from adsum.platform.errors import Invalid
from adsum.platform.paging import Page, PageRequest, every_item
from adsum.schools.rules import School
from adsum.schools.service import Schools


@dataclass(frozen=True, slots=True)
class WebhookList:
    """The webhooks that the visitor sees, the newest attempt of each by its id, and the schools by id."""

    webhooks: Sequence[Webhook]
    last: Mapping[int, Delivery]
    schools: Mapping[int, School]


@dataclass(frozen=True, slots=True)
class WebhookView:
    """One webhook.

    Attributes:
        webhook: the webhook.
        school: whose events it receives; None: all events.
        time_zone: of its school, or of all schools of the visitor; UTC if they have different ones.
        waiting: events that it has still to receive, counted up to `service.MAX_COUNTED`.
        log: attempts, the newest first.
        is_continued: whether the log begins with newer attempts.
    """

    webhook: Webhook
    school: School | None
    time_zone: str
    waiting: int
    log: Page[Delivery]
    is_continued: bool

    @property
    def last_test(self) -> Delivery | None:
        """The newest test in this part of the log."""
        return next((each for each in self.log.items if each.event_id is None), None)


class WebhookPageData:
    """Collects the pages. Every method raises Forbidden without `webhook:manage`."""

    def __init__(self, webhooks: Webhooks, schools: Schools) -> None:
        self._webhooks = webhooks
        self._schools = schools

    async def listed(self, caller: Caller) -> WebhookList:
        """All webhooks that the caller sees."""
        webhooks = await self._webhooks.list_webhooks(caller)
        return WebhookList(webhooks, await self._webhooks.last_deliveries(caller), await self._visible_schools(caller))

    async def view(
        self, webhook_id: int, caller: Caller, cursor: str | None = None, *, failed_only: bool = False
    ) -> WebhookView:
        """One webhook with a part of its log. A cursor of another list is ignored."""
        webhook = await self._webhooks.get(webhook_id, caller)
        try:
            log = await self._log(webhook_id, caller, PageRequest(cursor), failed_only=failed_only)
        except Invalid:
            log, cursor = await self._log(webhook_id, caller, PageRequest(), failed_only=failed_only), None
        schools = await self._visible_schools(caller)
        school = None if webhook.school_id is None else schools.get(webhook.school_id)
        zones = {each.time_zone for each in ([school] if school else schools.values())}
        return WebhookView(
            webhook=webhook,
            school=school,
            time_zone=zones.pop() if len(zones) == 1 else "UTC",
            waiting=await self._webhooks.count_waiting(webhook_id, caller),
            log=log,
            is_continued=cursor is not None,
        )

    async def _log(self, webhook_id: int, caller: Caller, page: PageRequest, *, failed_only: bool) -> Page[Delivery]:
        return await self._webhooks.page_of_deliveries(webhook_id, caller, page, failed_only=failed_only)

    async def _visible_schools(self, caller: Caller) -> dict[int, School]:
        schools = await every_item(lambda page: self._schools.page(caller, page))
        return {school.id: school for school in schools}
