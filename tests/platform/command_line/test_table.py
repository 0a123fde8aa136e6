"""Tables on wide and narrow terminals."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adsum.batches.commands import DROPPED_FIRST, STATUS_COLUMNS
from adsum.platform.command_line import output
from adsum.platform.http.schemas import Moment, Schema

BATCH_ID = "class-123-session-456-date-25122024"
BATCH: dict[str, Any] = {
    "batchId": BATCH_ID,
    "state": "completed_with_errors",
    "progress": 100,
    "totalJobs": 1200,
    "recordedJobs": 1100,
    "skippedJobs": 80,
    "failedJobs": 17,
    "cancelledJobs": 3,
    "startedAt": datetime(2024, 12, 25, 8, 0, 1, 234567, tzinfo=UTC),
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Shows rows on a terminal of the given width."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("LINES", "50")

    def show(width: int, columns: tuple[str, ...], row: dict[str, Any], dropped_first: tuple[str, ...] = ()) -> str:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        output.show_rows(columns, [row], as_json=False, dropped_first=dropped_first)
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_id_state_or_time_is_wrapped_and_no_line_is_too_long(shown: Any, width: int) -> None:
    lines = shown(width, STATUS_COLUMNS, BATCH, DROPPED_FIRST).splitlines()
    (row,) = [line for line in lines if line.startswith(BATCH_ID)]
    assert row.split()[:3] == [BATCH_ID, "completed_with_errors", "100"]
    assert "17" in row.split()
    assert max(map(len, lines)) <= width
    assert ("2024-12-25T08:00:01Z" in row) == (width > 80)


def test_omitted_columns_are_named(shown: Any) -> None:
    assert "Not shown, because the terminal is too narrow: Recorded jobs, Skipped jobs\n" in shown(
        120, STATUS_COLUMNS, BATCH, DROPPED_FIRST
    )
    assert "Not shown" not in shown(200, STATUS_COLUMNS, BATCH, DROPPED_FIRST)


def test_without_enough_room_lines_are_longer_than_the_terminal(shown: Any) -> None:
    assert f"{BATCH_ID}  completed_with_errors  100" in shown(30, STATUS_COLUMNS, BATCH, DROPPED_FIRST)


def test_a_long_text_wraps(shown: Any) -> None:
    output = shown(40, ("studentId", "note"), {"studentId": 7, "note": "came late, since the bus did not come"})
    assert "7        came late, since the bus did" in output
    assert max(map(len, output.splitlines())) <= 40


def test_output_to_a_file_has_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows(STATUS_COLUMNS, [BATCH], as_json=False, dropped_first=DROPPED_FIRST)
    heading, row = capsys.readouterr().out.splitlines()
    assert "Cancelled jobs" in heading
    assert row.split() == [
        *[BATCH_ID, "completed_with_errors", "100", "1200", "1100", "80", "17", "3", "2024-12-25T08:00:01Z"]
    ]


class Item(Schema):
    batch_id: str
    started_at: Moment
    day: date
    note: str | None


ITEM = Item(
    batch_id=BATCH_ID, started_at=datetime(2024, 12, 25, 8, 0, 1, 234567, tzinfo=UTC), day=date(2024, 12, 25), note=None
)


def test_items_are_printed_as_the_api_returns_them_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    as_api = json.loads(ITEM.model_dump_json(by_alias=True))
    assert as_api["startedAt"] == "2024-12-25T08:00:01.234567Z"
    output.show_items(("batchId",), [ITEM], as_json=True)
    assert json.loads(capsys.readouterr().out) == [as_api]
    output.show_item(ITEM, as_json=True)
    assert json.loads(capsys.readouterr().out) == as_api


def test_items_are_printed_for_people_with_times_to_the_second(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_items(("batchId", "startedAt"), [ITEM], as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == [BATCH_ID, "2024-12-25T08:00:01Z"]
    output.show_item(ITEM, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["Batch", "id", BATCH_ID],
        ["Started", "at", "2024-12-25T08:00:01Z"],
        ["Day", "2024-12-25"],
        ["Note", "-"],
    ]


def test_an_empty_list_of_items_prints_its_notice_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_items(("batchId",), [], as_json=False, none="no batches")
    assert capsys.readouterr() == ("", "adsum: no batches\n")
