"""Disables and enables users, as the command line does."""

from __future__ import annotations

from contextlib import suppress

from adsum.accounts.access import Role, system_caller
from adsum.accounts.rules import EmailTaken
from adsum.roster.people.rules import PersonChange, PersonRow
from adsum.roster.people.service import People


async def disable(people: People, email: str) -> PersonRow:
    """Disables a user. Adds another admin first, since the last one cannot be disabled."""
    with suppress(EmailTaken):
        await people.add_login("another.admin@school.example", Role.ADMIN, system_caller())
    return await people.change(email, PersonChange(disabled=True), system_caller())


async def enable(people: People, email: str) -> PersonRow:
    return await people.change(email, PersonChange(disabled=False), system_caller())
