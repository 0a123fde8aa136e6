"""The guide to importing a roster: its sample is imported as it stands, and its table has the columns of the code."""

from __future__ import annotations

import re

from adsum.operations.migrations import tables
from adsum.roster.oneroster.package import ROLE_OF_1_1, SPELLED, USED
from tests.roster.conftest import Importing
from tests.support.live import ROOT

GUIDE = (ROOT / "docs" / "how-to" / "import-a-roster.md").read_text(encoding="utf-8")
SAMPLE = re.compile(r"`roster/(\w+\.csv)`[^\n]*:\n\n((?: {4}.+\n)+)")


async def test_the_sample_of_the_guide_is_a_school_with_two_classes(importing: Importing) -> None:
    files = {name: lines.replace("    ", "").encode() for name, lines in SAMPLE.findall(GUIDE)}
    assert sorted(files) == ["classes.csv", "enrollments.csv", "orgs.csv", "users.csv"]

    report = await importing.run(files)

    assert (report.violations, report.warnings) == ((), ())
    assert [row["title"] for row in await importing.rows(tables.classes)] == ["Class 7a", "Class 8a"]
    rows = {table.name: len(await importing.rows(table)) for table in (tables.students, tables.class_teachers)}
    assert rows == {"students": 4, "class_teachers": 2}
    assert [row["period"] for row in await importing.rows(tables.sessions)] == ["1", "2", "1"]


def test_the_table_of_the_guide_has_the_columns_that_are_read() -> None:
    rows = re.findall(r"^\| `(\w+)\.csv`[^|]* \| ([^|]+) \| ([^|]*) \|$", GUIDE, re.MULTILINE)
    listed = {name: (re.findall(r"`(\w+)`", first), re.findall(r"`(\w+)`", more)) for name, first, more in rows}
    for name, (required, optional) in USED.items():
        first, more = listed[SPELLED.get(name, name)]
        of_1_1 = ROLE_OF_1_1 if name == "users" else ()
        assert [each for each in first if each != "csv"] == [*required, *of_1_1], name
        assert more == list(optional), name
