"""Names for ids: of classes, for callers who see their school."""

from __future__ import annotations

from adsum.accounts.access import Role, system_caller
from adsum.platform.database.engine import Database
from adsum.roster.repository.students import MAX_IDS_PER_STATEMENT
from adsum.roster.service import Naming
from tests.support.schools import caller, make_class, make_school


async def test_titles_of_any_number_of_classes_are_given_to_callers_who_see_them(database: Database) -> None:
    async with database.transaction() as connection:
        here, there = (await make_school(connection)).school_id, (await make_school(connection)).school_id
        greek = await make_class(connection, here, title="Greek")
        latin = await make_class(connection, there, title="Latin")
    naming = Naming(database)
    unknown = range(latin + 1, latin + MAX_IDS_PER_STATEMENT)

    everybody = await naming.names_of_classes([latin, *unknown, greek, greek], system_caller())
    viewer = await naming.names_of_classes([latin, greek], caller(Role.VIEWER, here))
    operator = await naming.names_of_classes([greek], caller(Role.OPERATOR))

    assert everybody == {greek: "Greek", latin: "Latin"}
    assert viewer == {greek: "Greek"}
    assert operator == {}
