"""The own profile of users."""

from __future__ import annotations

from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.names import refuse_name_of_roster
from adsum.accounts.profile.repository import find_profile, set_language
from adsum.accounts.profile.rules import Profile, ProfileChange, changed_name, validate_change
from adsum.accounts.repository import keep_user, rename_user
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Forbidden, NotFound, refuse


class Profiles:
    """Reads and changes the profile of the caller. Every method raises Forbidden for an API key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, caller: Caller) -> Profile:
        """The profile of the caller."""
        async with self._database.snapshot() as connection:
            return await _find(connection, caller)

    async def change(self, change: ProfileChange, caller: Caller) -> Profile:
        """Changes the profile of the caller. A new name is recorded in the audit log, without the name itself.

        Raises:
            Invalid: with every violation.
            NameOfRoster: the name comes from the roster.
        """
        async with self._database.transaction() as connection:
            await keep_user(connection, _own_id(caller))
            profile = await _find(connection, caller)
            refuse(list(validate_change(change, profile)))
            name = changed_name(change, profile)
            if name != profile.name:
                if profile.is_named_by_roster:
                    refuse_name_of_roster()
                await rename_user(connection, profile.id, name)
                await record_about_user(connection, caller, Action.USER_RENAMED, profile.id)
            if "language" in change and change["language"] != profile.language:
                await set_language(connection, profile.id, change["language"])
            return await _find(connection, caller)


async def _find(connection: Connection, caller: Caller) -> Profile:
    profile = await find_profile(connection, _own_id(caller))
    if profile is None:
        raise NotFound("this user was erased")
    return profile


def _own_id(caller: Caller) -> int:
    if caller.user_id is None or caller.key_id is not None:
        raise Forbidden("only users have a profile")
    return caller.user_id
