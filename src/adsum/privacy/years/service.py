"""The school years of an installation, and their partitions."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import AdsumError, ConfigurationError, Forbidden
from adsum.privacy.retention.repository.partitions import owns_partitions, partitions_of_records
from adsum.privacy.retention.repository.periods import periods_of_schools
from adsum.privacy.retention.rules import FIRST_MONTH
from adsum.privacy.years import repository
from adsum.privacy.years.rules import SchoolYear, years_of


class NoPartitions(AdsumError):
    """The database cannot partition records."""

    code = "no_partitions"


class SchoolYears:
    """School years of all schools. Every method raises Forbidden without `student:data` and the rights of all schools.

    A year begins in the month of the partitions; without any, in that of the default of retention.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def list(self, caller: Caller) -> list[SchoolYear]:
        """The years that have records or a partition, the oldest first."""
        require_all_schools(caller)
        async with self._database.snapshot() as connection:
            present = await partitions_of_records(connection)
            days = Counter[date]()
            for school_id, _, _ in await repository.list_school_days(connection):
                days.update(await repository.count_records(connection, school_id))
            return years_of(days, present, await first_month_of(connection, self._now()))

    async def partition(self, first_month: int | None, caller: Caller) -> bool:
        """Partitions the records of Postgres by school year while they are read and written.

        `first_month` None: that of the default of retention. Returns False: they are partitioned already.

        Raises:
            NoPartitions: the database is SQLite.
            ConfigurationError: the user of the database does not own the tables.
            LockTimeout: a transaction used the tables each time, for minutes.
        """
        require_all_schools(caller)
        if not self._database.is_postgres:
            raise NoPartitions("SQLite has no partitions: `adsum year archive` and `adsum year drop` do without them")
        async with self._database.snapshot() as connection:
            month = first_month or await first_month_of(connection, self._now())
            may_change = bool(await partitions_of_records(connection)) or await owns_partitions(connection)
        if not may_change:
            raise not_owned("adsum year partition")
        done = await repository.partitioning(self._database, month).partition(self._now().date())
        if done:
            async with self._database.transaction() as connection:
                await record(connection, caller, Action.RECORDS_PARTITIONED, after={"first_month": month})
        return done


def not_owned(command: str) -> ConfigurationError:
    """Postgres lets only the owner of a table partition it, or drop a partition."""
    return ConfigurationError(
        f"the database user does not own the tables of the records: run `{command}` as their owner, "
        "with another ADSUM_DATABASE_URL"
    )


async def first_month_of(connection: Connection, now: datetime) -> int:
    """The month in which a school year of the installation begins: that of the partitions, else of the default."""
    if present := await partitions_of_records(connection):
        return present[0].end.month
    default, _ = await periods_of_schools(connection, now)
    return default.first_month or FIRST_MONTH


def require_all_schools(caller: Caller) -> None:
    """Raises Forbidden: the caller has no right to the data of students of all schools."""
    require_permission(caller, Permission.STUDENT_DATA)
    if caller.schools is not None:
        raise Forbidden("school years of all schools need the rights of all schools")
