"""Reading any file returns records and violations, raises no other error, and repeats no name."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from adsum.platform.errors import Violation
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.files import UnreadableRoster, roster_files
from adsum.roster.oneroster.package import read_package
from adsum.roster.oneroster.records import PersonRecord
from tests.roster.files import a_school, csv_of, in_zip

GOOD = a_school().files()
READABLE = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)
ODD = st.one_of(
    st.binary(max_size=200),
    st.text('",\r\n\0ab1-', max_size=80).map(str.encode),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


def read(files: dict[str, bytes]) -> tuple[list[object], list[Violation]]:
    """Returns all records and all violations."""
    records: list[object] = []
    violations: list[Violation] = []
    try:
        with roster_files(in_zip(files)) as opened:
            package = read_package(opened)
            for stream in (package.orgs(), package.people(), package.classes(), package.enrolments()):
                for entry in stream:
                    if isinstance(entry, LeftOut):
                        violations.extend(entry.violations)
                    else:
                        records.append(entry)
    except UnreadableRoster as error:
        violations.extend(error.violations)
    return records, violations


@given(name=st.sampled_from(sorted(GOOD)), content=ODD)
def test_any_bytes_as_a_file_are_read_or_reported(name: str, content: bytes) -> None:
    records, violations = read(GOOD | {name: content})

    assert records or violations


@given(name=st.sampled_from(sorted(GOOD)), at=st.integers(0, 400), odd=ODD)
def test_any_bytes_within_a_file_are_read_or_reported(name: str, at: int, odd: bytes) -> None:
    content = GOOD[name]
    records, violations = read(GOOD | {name: content[:at] + odd + content[at:]})

    assert records or violations
    assert all(violation.pointer for violation in violations)


@given(content=ODD)
def test_any_bytes_as_a_manifest_are_read_or_refused(content: bytes) -> None:
    records, violations = read(GOOD | {"manifest.csv": content})

    assert bool(records) != bool(violations)


@given(names=st.lists(READABLE, min_size=1, max_size=5), all_quoted=st.booleans())
def test_every_name_that_csv_can_write_is_read_as_it_is(names: list[str], all_quoted: bool) -> None:
    rows = [{**a_school().tables["users"][0], "sourcedId": str(at), "givenName": name} for at, name in enumerate(names)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(rows)

    records, violations = read(GOOD | {"users.csv": text.getvalue().encode()})

    assert violations == []
    assert [record.given_name for record in records if isinstance(record, PersonRecord)] == [
        name.strip() for name in names
    ]


@given(name=READABLE.filter(lambda text: len(text) > 3), cut=st.integers(1, 300))
def test_no_violation_repeats_a_name_wherever_a_row_is_cut(name: str, cut: int) -> None:
    word = f"Zyx{name}"
    users = csv_of([{**row, "givenName": word, "familyName": word} for row in a_school().tables["users"]])

    _, violations = read(GOOD | {"users.csv": users[:-cut]})

    assert not any(word in f"{violation.detail} {violation.params}" for violation in violations)
