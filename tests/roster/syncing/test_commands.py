"""`adsum roster sync`, run as an operator runs it: results on stdout, exit 0, 1 or 2, and no secret anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing
from tests.roster.syncing.conftest import importing
from tests.support.commands import Commands, commands
from tests.support.roster_service import CLIENT_ID, CLIENT_SECRET, Fault, RosterService

__all__ = ["importing"]


@pytest.fixture
def adsum(database_url: str, real_service: RosterService) -> Commands:
    return commands(
        database_url=database_url, redis_url="redis://127.0.0.1:1", log_level="WARNING", **real_service.settings()
    )


async def test_the_committed_rosters_are_synced_and_the_second_time_nothing_changes(
    adsum: Commands, importing: Importing, real_service: RosterService
) -> None:
    first = adsum.output_of_import("roster", "sync", "--timezone", "America/Chicago")
    second = adsum.output_of_import("roster", "sync")
    full = adsum.output_of_import("roster", "sync", "--full")

    assert f"Everything of {real_service.url}:" in first
    assert "Imported." in first
    assert "students    86     0        0      0" in first
    assert f"The changes of {real_service.url}:" in second
    assert "Nothing changes" in second
    assert "students    0      0        0      86" in full
    assert {row["time_zone"] for row in await importing.rows(tables.schools)} == {"America/Chicago"}


def test_options_name_another_service_and_a_file_has_the_secret(
    database_url: str, real_service: RosterService, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    adsum = commands(
        database_url=database_url, redis_url="redis://127.0.0.1:1", roster_sync_client_secret_file=str(secret)
    )

    options = ("--token-url", real_service.token_url, "--client-id", CLIENT_ID)
    report = json.loads(adsum.output_of_import("roster", "sync", real_service.url, *options, "--dry-run", "--json"))

    assert (report["dryRun"], report["full"], report["source"]) == (True, True, real_service.url)
    assert report["tables"]["enrolments"] == {"added": 602, "changed": 0, "ended": 0, "unchanged": 0}


def test_errors_are_listed_by_resource_and_id_with_exit_1(adsum: Commands, real_service: RosterService) -> None:
    real_service.find("users", "13001")["givenName"] = ["Ora"]

    ended = adsum.run("roster", "sync")
    report = json.loads(adsum.run("roster", "sync", "--full", "--json").stdout)

    assert ended.returncode == 1
    assert "  users/13001: givenName is not a text" in ended.stdout
    assert "  enrollments/E-11001-13001: the row of user 13001 was left out" in ended.stdout
    assert "Ora" not in ended.stdout + ended.stderr
    assert report["errors"][0]["params"] == {
        "column": "user",
        "user": "13001",
        "class": "11001",
        "resource": "enrollments",
        "sourcedId": "E-11001-13001",
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refused_client_is_named_with_exit_1(adsum: Commands, real_service: RosterService, as_json: bool) -> None:
    ended = adsum.run(
        "roster", "sync", *(["--json"] if as_json else []), ADSUM_ROSTER_SYNC_CLIENT_SECRET="wrong-secret"
    )

    assert ended.returncode == 1
    assert "it refuses the client with status 401: invalid_client" in ended.stdout + ended.stderr
    assert "wrong-secret" not in ended.stdout + ended.stderr


def test_a_service_that_wants_to_be_left_alone_is_named_with_exit_1(
    adsum: Commands, real_service: RosterService
) -> None:
    real_service.faults["users", 0] = Fault(503, {"Retry-After": "900"})

    ended = adsum.run("roster", "sync")

    assert ended.returncode == 1
    assert "users: it answered with status 503 and asks to wait for 900 seconds" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a sync needs ADSUM_ROSTER_SYNC_URL, ADSUM_ROSTER_SYNC_TOKEN_URL, ADSUM_ROSTER_SYNC_CLIENT_ID, "),
        (("http://sis.example", "--token-url", "https://sis.example/t", "--client-id", "a"), "is not an https address"),
        (("https://sis.example", "--token-url", "http://sis.example/t", "--client-id", "a"), "is not an https address"),
        (
            ("https://u:p@sis.example", "--token-url", "https://a.example", "--client-id", "a"),
            "is not an https address",
        ),
    ],
)
def test_a_source_that_is_missing_or_not_encrypted_is_refused(
    sqlite_url: str, arguments: tuple[str, ...], message: str
) -> None:
    secret = {} if not arguments else {"roster_sync_client_secret": "secret"}
    adsum = commands(database_url=sqlite_url, redis_url="redis://127.0.0.1:1", **secret)
    ended = adsum.run("roster", "sync", *arguments)
    assert ended.returncode == 1
    assert message in ended.stderr


def test_the_settings_are_masked_and_validated(sqlite_url: str, real_service: RosterService) -> None:
    settings = real_service.settings()
    shown = commands(database_url=sqlite_url, **settings).output("config", "show", "--json")
    wrong = commands(database_url=sqlite_url, roster_sync_url="http://sis.example", roster_sync_interval="60").run(
        "doctor"
    )
    assert CLIENT_SECRET not in shown
    assert "ADSUM_ROSTER_SYNC_URL: 'http://sis.example' is not an https address" in wrong.stderr


def test_an_interval_needs_a_source(sqlite_url: str) -> None:
    ended = commands(database_url=sqlite_url, roster_sync_interval="60").run("roster", "sync")
    assert ended.returncode == 1
    assert "ADSUM_ROSTER_SYNC_INTERVAL: a sync needs ADSUM_ROSTER_SYNC_URL, ADSUM_ROSTER_SYNC_TOKEN_URL" in ended.stderr
