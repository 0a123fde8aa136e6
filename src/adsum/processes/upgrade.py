"""Whether a database can be migrated while processes of the version before work on it."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.platform.database.engine import Database
from adsum.platform.database.revision import COMPATIBLE_FROM, current_revision, newest_revision
from adsum.platform.database.schema import missing_migrations
from adsum.platform.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """An upgrade of a database to this version.

    Attributes:
        schema: the revision of the database; None if it was never migrated.
        newest_schema: the revision of this version.
        missing: the migrations between them, each as its revision and title.
    """

    schema: str | None
    newest_schema: str
    missing: list[str]

    @property
    def without_pause(self) -> bool:
        """Whether the processes that use the database may go on: they are of this version or of the one before."""
        return self.schema is None or not self.missing or self.schema >= COMPATIBLE_FROM

    @property
    def summary(self) -> str:
        """The number of the missing migrations, with the first and the last one."""
        if len(self.missing) < 2:
            return "".join(self.missing) or "none"
        return f"{len(self.missing)}, from {self.missing[0]} to {self.missing[-1]}"


async def plan_upgrade(database: Database) -> UpgradePlan:
    """Compares a database with this version.

    Raises:
        ConfigurationError: a newer version has migrated the database, or there is none.
        StorageOutage: the database does not respond.
    """
    if database.is_missing:
        raise ConfigurationError(f"there is no database {database.file}: `adsum migrate` makes a new one")
    schema, newest = await current_revision(database), newest_revision()
    if schema is not None and schema > newest:
        raise ConfigurationError(
            f"the schema of the database is {schema}, that of this version {newest}: a newer version has migrated it"
        )
    return UpgradePlan(schema, newest, await missing_migrations(database))
