"""Sources and their state, and the columns that are read from their objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adsum.platform.errors import ConfigurationError, Violation
from adsum.platform.settings import Settings
from adsum.roster.oneroster.package import USED
from adsum.roster.syncing.columns import COLUMNS
from adsum.roster.syncing.locations import located
from adsum.roster.syncing.rules import RETRY_AFTER, RosterSource, SyncState, roster_source_of

NOW = datetime(2024, 10, 15, tzinfo=UTC)


def test_every_column_that_an_import_reads_is_in_the_objects() -> None:
    missing = {name: {*required, *optional} - COLUMNS[name].keys() for name, (required, optional) in USED.items()}
    assert missing == {name: set() for name in USED}


def test_a_failed_sync_is_due_again_before_the_interval_is_over() -> None:
    day, failed = timedelta(days=1), SyncState(tried_at=NOW, error="roster_source_unavailable: …")
    assert not failed.is_due(NOW + RETRY_AFTER - timedelta(seconds=1), day)
    assert failed.is_due(NOW + RETRY_AFTER, day)
    assert failed.is_due(NOW + timedelta(seconds=60), timedelta(seconds=60))
    assert not SyncState(tried_at=NOW).is_due(NOW + RETRY_AFTER, day)


def test_a_source_hides_its_secret() -> None:
    assert "hidden" not in repr(RosterSource("https://a.example", "https://a.example/t", "id", "hidden", "scope"))


def test_what_a_source_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"needs \S+TOKEN_URL, \S+CLIENT_ID, \S+CLIENT_SECRET"):
        roster_source_of(Settings(), url="https://sis.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://sis.example",
        "sis.example",
        "https://u:p@sis.example",
        "https://sis.example/?a=b",
        "https://" + "a" * 255,
    ],
)
def test_an_address_that_is_not_encrypted_is_refused(url: str) -> None:
    settings = Settings(roster_sync_client_secret="secret")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="is not an https address"):
        roster_source_of(settings, url=url, token_url="https://sis.example/token", client_id="adsum")


def test_a_violation_of_no_file_stays_as_it_is() -> None:
    violation = Violation("absence_at_former_school", "enter it at the new school", params={"studentId": 7})
    assert located([violation], {}) == (violation,)
