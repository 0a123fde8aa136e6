"""Values that the pages of batches compute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from adsum.batches.page_data import TypedBatchFilters, selected_outcome
from adsum.batches.rules import BatchFilters, BatchState, FailureCount, ListedRun, OnExisting, Outcome, Tally, UndoneRun
from adsum.batches.timeline import BatchTimeline, EventKind
from adsum.platform.pages.charts import HEIGHT, MIN_HEIGHT, absence_scale, bar_chart

NINE = datetime(2024, 12, 25, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def run(number: int, accepted_at: datetime, ended_at: datetime | None) -> ListedRun:
    return ListedRun(
        run_id=f"run-{number}",
        number=number,
        state=BatchState.COMPLETED,
        ended_as=BatchState.COMPLETED,
        on_existing=OnExisting.SKIP,
        tally=Tally(recorded=1),
        carried=0,
        accepted_at=accepted_at,
        accepted_role="teacher",
        user_id=1,
        key_id=None,
        ended_at=ended_at,
        ended_by=None,
        pruned_at=None,
    )


def test_a_timeline_is_in_chronological_order() -> None:
    first, retry = run(1, NINE, NINE + SECOND), run(2, NINE + 60 * SECOND, None)
    failures = {"run-1": [FailureCount("not_enrolled", 2, NINE + SECOND)]}
    undone = UndoneRun("run-1", NINE + 30 * SECOND, "office", 3)
    events = BatchTimeline(1, "UTC", failures, [undone], None).events([retry, first])
    kinds = [(event.run.number, event.kind) for event in events]
    assert kinds == [
        (1, EventKind.ACCEPTED),
        (1, EventKind.FAILED),
        (1, EventKind.ENDED),
        (1, EventKind.UNDONE),
        (2, EventKind.ACCEPTED),
    ]


def test_failed_students_are_shown_first_by_default() -> None:
    failed, none = {Outcome.FAILED: 2}, {Outcome.FAILED: 0}
    assert selected_outcome("", failed) is Outcome.FAILED
    assert selected_outcome("", none) is None
    assert selected_outcome("all", failed) is None
    assert selected_outcome("recorded", failed) is Outcome.RECORDED


def test_filter_values_are_parsed_or_reported_as_invalid() -> None:
    good = TypedBatchFilters("completed", "123", "2024-12-01", "2024-12-31")
    assert good.invalid_fields == frozenset()
    assert good.filters == BatchFilters(
        class_id=123, first_day=date(2024, 12, 1), last_day=date(2024, 12, 31), state=BatchState.COMPLETED
    )
    assert good.query(cursor="abc") == "state=completed&classId=123&from=2024-12-01&to=2024-12-31&cursor=abc"
    assert TypedBatchFilters("done", "12abc", "25/12/2024", "2025-02-29").invalid_fields == {
        "state",
        "classId",
        "from",
        "to",
    }
    assert TypedBatchFilters(class_id="9" * 30).invalid_fields == {"classId"}
    assert TypedBatchFilters().filters == BatchFilters()


def test_bars_are_scaled_together_and_small_values_stay_visible() -> None:
    chart = bar_chart([0, 1, 900], [0, 0, 100])
    assert chart.top == 1000
    assert [bar.height for bar in chart.bars] == [0, MIN_HEIGHT, HEIGHT]
    assert chart.bars[2].bad == HEIGHT / 10
    assert bar_chart([0, 0]).top == 1


def test_a_scale_of_absence_ends_above_the_highest_absence() -> None:
    scales = [absence_scale(rates) for rates in ([], [None], [100.0, 96.0], [90.0, 89.0], [0.0])]
    assert scales == [5, 5, 5, 20, 100]
