"""Whether Postgres has enough connections for this installation, and whether it notices that a client has left."""

from __future__ import annotations

from adsum.operations.doctor.findings import Finding, counted, ok, warning
from adsum.operations.repository import PoolFacts, pool_facts
from adsum.platform.database.engine import Database

CHECK = "database connections"
LEFT = "left clients"


async def check_pool(database: Database, workers: int) -> Finding:
    """`workers` are the connected worker processes.

    Raises:
        StorageOutage: the database does not answer.
    """
    if not database.is_postgres:
        return ok(CHECK, "SQLite has no limit")
    if await database.is_pooled():
        return ok(CHECK, "a pooler is in front of Postgres, and gives out its connections by transaction")
    return judge_pool(await pool_facts(database), workers, database.max_connections)


def judge_pool(facts: PoolFacts, workers: int, of_process: int) -> Finding:
    """Whether one API process and the workers fit. `of_process` are the connections that a process may open."""
    needed = of_process * (workers + 1)
    processes = f"an API process and {counted(workers, 'worker')} may open {needed} connections"
    message = f"{processes} of the {facts.usable} that Postgres has; {facts.open_now} are open"
    if needed <= facts.usable:
        return ok(CHECK, message)
    remedy = "lower ADSUM_DATABASE_CONNECTIONS, raise max_connections of Postgres, or use PgBouncer"
    return warning(CHECK, message, remedy)


async def check_left_clients(database: Database) -> list[Finding]:
    """Warns if the server executes the statement of a client that has left.

    Raises:
        StorageOutage: the database does not answer.
    """
    if await database.ends_left_statements():
        return []
    message = "this Postgres does not notice that a client has left: a write that waits for a lock is executed later"
    return [warning(LEFT, message, "run Postgres 15 or newer, on another system than Windows")]
