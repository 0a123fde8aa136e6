"""`/registers/reminders`: the office reminds the teachers of missing registers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import Page, page_of_items
from adsum.registers.reminders.schemas import RemindedAnswer, ReminderQuery, RemindTeachers, SentReminderItem
from adsum.registers.reminders.service import Reminders

router = APIRouter(prefix="/registers/reminders", tags=["registers"], route_class=JsonRoute)
Office = Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))]
RemindersService = Annotated[Reminders, Depends(provided(Reminders))]


@router.post("", name="remindTeachers", summary="Remind the teachers of missing registers")
async def remind_teachers(
    body: RemindTeachers, reminders: RemindersService, caller: Office, key: SentKey
) -> RemindedAnswer:
    """They see a notice on their pages until the register is taken. Nobody is reminded twice within five minutes,
    or of a day older than 14 days. Teachers without a login see no notice: the answer says of which registers.
    """
    keyed = key.answering(body, RemindedAnswer.model_validate, HTTPStatus.OK)
    reminded = await reminders.remind(body.school_id, body.day, body.session_ids, caller, keyed)
    return RemindedAnswer.model_validate(reminded)


@router.get("", name="listReminders", summary="Reminders of missing registers")
async def list_reminders(
    query: Annotated[ReminderQuery, Query()], reminders: RemindersService, caller: Office
) -> Page[SentReminderItem]:
    """The newest first. They stay when the register is taken."""
    page = await reminders.page(caller, query.filters, query.page)
    return page_of_items(page, SentReminderItem.model_validate)
