"""The contexts of classes, by their queries."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

from adsum.batches.repository.submissions import ContextQuery, find_class_contexts
from adsum.platform.database.engine import Database
from tests.support.runs import DAY
from tests.support.schools import SchoolIds


async def test_every_query_for_a_class_that_exists_finds_its_context(database: Database, school: SchoolIds) -> None:
    choices: list[tuple[date, date] | None] = [None, (DAY, DAY), (DAY, DAY + timedelta(days=6))]
    queries = [
        ContextQuery(school.class_id, session_id, user_id, days, loads_state)
        for session_id, user_id, days, loads_state in product(
            (school.session_id, None), (school.teacher_id, None), choices, (True, False)
        )
    ]
    missing = ContextQuery(school.class_id + 1, None, None)
    async with database.snapshot() as connection:
        found = await find_class_contexts(connection, [*queries, missing])
    assert found.keys() == set(queries)
    for query, context in found.items():
        is_of_one_day = query.loads_state and query.days == (DAY, DAY)
        assert context.day == (DAY if is_of_one_day else None)
        assert len(context.roster) == (4 if is_of_one_day else 0)
        assert (context.snapshot is not None) == is_of_one_day
