"""Roster versions: packed by the server, sent back by clients."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.platform.ids import MAX_ID
from adsum.roster.rules import RosterChange, WrongVersion, roster_change, roster_version

rosters = st.frozensets(st.integers(min_value=1, max_value=MAX_ID), max_size=60)


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@given(rosters)
def test_a_roster_has_not_changed_since_itself(ids: frozenset[int]) -> None:
    assert roster_change(roster_version(ids), ids) is None


@given(st.lists(st.integers(min_value=1, max_value=MAX_ID), unique=True))
def test_the_order_of_a_roster_does_not_matter(ids: list[int]) -> None:
    assert roster_version(ids) == roster_version(reversed(ids))


@given(rosters, rosters)
def test_a_roster_change_lists_who_joined_and_who_left_in_order(before: frozenset[int], after: frozenset[int]) -> None:
    change = roster_change(roster_version(before), after)
    if before == after:
        assert change is None
    else:
        assert change == RosterChange(tuple(sorted(after - before)), tuple(sorted(before - after)))


def test_a_class_of_30_has_a_version_that_fits_into_a_line() -> None:
    assert len(roster_version(range(1, 31))) < 40


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_the_largest_batches_have_versions_too(size: int) -> None:
    ids = range(1, size + 1)
    assert roster_change(roster_version(ids), ids) is None


@given(st.text() | st.text(alphabet="ABCDEFabcdef0123456789-_=+/", max_size=60))
def test_a_foreign_text_is_not_a_roster_version(text: str) -> None:
    with pytest.raises(WrongVersion):
        roster_change(text, ())


@given(st.binary(max_size=64).filter(lambda data: len(data) % 8 != 0))
def test_packed_bytes_that_are_not_numbers_are_not_a_roster_version(data: bytes) -> None:
    with pytest.raises(WrongVersion):
        roster_change(packed(zlib.compress(data)), ())


@given(rosters, st.integers(min_value=1, max_value=8))
def test_a_truncated_roster_version_is_refused(ids: frozenset[int], missing: int) -> None:
    with pytest.raises(WrongVersion):
        roster_change(roster_version(ids)[:-missing], ids)


def test_a_small_text_that_unpacks_to_a_gigabyte_is_not_a_roster_version() -> None:
    deflate = zlib.compressobj(9)
    bomb = b"".join(deflate.compress(bytes(2**20)) for _ in range(64)) + deflate.flush()
    with pytest.raises(WrongVersion):
        roster_change(packed(bomb), ())


def test_a_forged_version_with_unknown_ids_reports_them_as_left() -> None:
    version = packed(zlib.compress(struct.pack("<3q", -5, MAX_ID, MAX_ID)))
    assert roster_change(version, [7]) == RosterChange((7,), (-5, MAX_ID - 5, 2 * MAX_ID - 5))
