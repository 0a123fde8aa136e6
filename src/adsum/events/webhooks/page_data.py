"""The data of the pages of webhooks: the list, and one webhook with its log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller
from adsum.events.webhooks.rules import Delivery, Waiting, Webhook
from adsum.events.webhooks.service import Webhooks
from adsum.platform.errors import Invalid
from adsum.platform.paging import MAX_LIMIT, PageRequest, RowPage
from adsum.platform.texts import list_key
from adsum.roster.rules import NamedIds, Names
from adsum.roster.service import Naming
from adsum.schools.rules import School
from adsum.schools.service import Schools


@dataclass(frozen=True, slots=True)
class WebhookList:
    """The webhooks that the visitor sees.

    Attributes:
        webhooks: by id.
        last: the newest attempt of each, by the id of the webhook.
        names: of their schools, by id.
        choices: the schools for a new webhook, by name; empty: there are too many to choose from.
    """

    webhooks: Sequence[Webhook]
    last: Mapping[int, Delivery]
    names: Mapping[int, str]
    choices: Sequence[School]


@dataclass(frozen=True, slots=True)
class WebhookView:
    """One webhook.

    Attributes:
        webhook: the webhook.
        school: whose events it receives; None: all events.
        people: the name of its creator.
        time_zone: of its school, or of all schools of the visitor; UTC if they have different ones.
        waiting: events that it has still to receive.
        log: attempts, the newest first.
        is_continued: whether the log begins with newer attempts.
    """

    webhook: Webhook
    school: School | None
    people: Names
    time_zone: str
    waiting: Waiting
    log: RowPage[Delivery]
    is_continued: bool

    @property
    def last_test(self) -> Delivery | None:
        """The newest test in this part of the log."""
        return next((each for each in self.log.items if each.event_id is None), None)


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """One webhook, and the time zone of its moments, as in `WebhookView`."""

    webhook: Webhook
    time_zone: str


class WebhookPageData:
    """Collects the pages. Every method raises Forbidden without `webhook:manage`."""

    def __init__(self, webhooks: Webhooks, schools: Schools, naming: Naming) -> None:
        self._webhooks = webhooks
        self._schools = schools
        self._naming = naming

    async def listed(self, caller: Caller) -> WebhookList:
        """All webhooks that the caller sees."""
        webhooks = await self._webhooks.list_webhooks(caller)
        last = await self._webhooks.last_deliveries(caller)
        names = await self._schools.names_of({each.school_id for each in webhooks if each.school_id is not None})
        choices = await self._schools.page(caller, PageRequest(limit=MAX_LIMIT))
        is_complete = choices.next_cursor is None
        by_name = sorted(choices.items if is_complete else (), key=lambda each: list_key(each.name))
        return WebhookList(webhooks, last, names, by_name)

    async def settings(self, webhook_id: int, caller: Caller) -> WebhookSettings:
        """One webhook without its log."""
        webhook = await self._webhooks.get(webhook_id, caller)
        return WebhookSettings(webhook, await self._time_zone(await self._school_of(webhook, caller), caller))

    async def view(
        self, webhook_id: int, caller: Caller, cursor: str | None = None, *, failed_only: bool = False
    ) -> WebhookView:
        """One webhook with a part of its log. A cursor of another list is ignored."""
        webhook = await self._webhooks.get(webhook_id, caller)
        try:
            log = await self._log(webhook_id, caller, PageRequest(cursor), failed_only=failed_only)
        except Invalid:
            log, cursor = await self._log(webhook_id, caller, PageRequest(), failed_only=failed_only), None
        school = await self._school_of(webhook, caller)
        return WebhookView(
            webhook=webhook,
            school=school,
            people=await self._naming.names_of(NamedIds(people=_creators(webhook)), caller),
            time_zone=await self._time_zone(school, caller),
            waiting=await self._webhooks.count_waiting(webhook_id, caller),
            log=log,
            is_continued=cursor is not None,
        )

    async def _log(self, webhook_id: int, caller: Caller, page: PageRequest, *, failed_only: bool) -> RowPage[Delivery]:
        return await self._webhooks.page_of_deliveries(webhook_id, caller, page, failed_only=failed_only)

    async def _school_of(self, webhook: Webhook, caller: Caller) -> School | None:
        return None if webhook.school_id is None else await self._schools.find(webhook.school_id, caller)

    async def _time_zone(self, school: School | None, caller: Caller) -> str:
        return school.time_zone if school is not None else await self._schools.time_zone(caller)


def _creators(webhook: Webhook) -> Collection[int]:
    return () if webhook.created_user_id is None else (webhook.created_user_id,)
