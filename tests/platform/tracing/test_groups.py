"""Work that is done together for several requests is in the trace of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence

import pytest

from adsum.platform.coalescer import Coalescer
from adsum.platform.errors import Invalid, Unavailable
from adsum.platform.tracing.otlp import MAX_CONTEXT, Tracing, resource_of
from adsum.platform.tracing.spans import UNTRACED, TracedStep, context_of_work, continued, step
from tests.support.collector import Collector, SpanSeen

CONTEXT = '{"traceparent":"00-%032x-%016x-01"}'


@pytest.fixture
def tracing(collector: Collector) -> Generator[Tracing]:
    tracing = Tracing(resource_of("adsum-test"))
    yield tracing
    tracing.close()


def of_run(tracing: Tracing, number: int) -> TracedStep:
    context = CONTEXT % (number, number)
    return continued(tracing, context, "process", {}, kind="consumer", run_id=f"run {number}")


async def process_together(tracing: Tracing, numbers: Sequence[int], flush: Callable[[], None]) -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        flush()
        return items

    async def submit(number: int) -> None:
        with of_run(tracing, number):
            await coalescer.submit(number)

    coalescer = Coalescer[int, int](work, at_most=10, waiting_at_most=10)
    await asyncio.gather(*map(submit, numbers))
    tracing.close()


def by_trace(spans: Sequence[SpanSeen]) -> dict[int, SpanSeen]:
    return {int(span.trace_id, 16): span for span in spans}


async def test_a_step_of_a_group_is_in_each_trace_and_links_to_the_first(
    tracing: Tracing, collector: Collector
) -> None:
    def record() -> None:
        with step("record"):
            pass

    await process_together(tracing, [1, 2, 3], record)

    steps, parents = by_trace(collector.named("record")), by_trace(collector.named("process"))
    assert {number: span.parent_id for number, span in steps.items()} == {
        number: span.span_id for number, span in parents.items()
    }
    assert [steps[number].links for number in (1, 2, 3)] == [[], [steps[1].span_id], [steps[1].span_id]]


async def test_a_step_about_some_runs_has_one_span_for_each_of_them(tracing: Tracing, collector: Collector) -> None:
    def release() -> None:
        with step("release", run_ids=["run 2", "run 2", "another"]):
            pass

    await process_together(tracing, [1, 2, 2], release)

    assert {span.trace_id for span in collector.named("release")} == {f"{2:032x}"}


async def test_work_after_a_group_is_not_traced(tracing: Tracing) -> None:
    seen: list[str | None] = []
    await process_together(tracing, [1], lambda: seen.append(context_of_work()))
    assert seen[0] is not None
    assert context_of_work() is None


def test_a_failure_is_told_by_its_type_alone_and_a_refusal_is_none(tracing: Tracing, collector: Collector) -> None:
    for error in (RuntimeError("Ada is ill"), Unavailable("no database"), Invalid("no such class")):
        with pytest.raises(type(error)), of_run(tracing, 1):
            raise error
    tracing.close()
    assert [(span.attributes["error.type"], span.is_error) for span in collector.spans] == [
        ("RuntimeError", True),
        ("Unavailable", True),
        ("Invalid", False),
    ]
    assert not any(b"Ada" in body for body in collector.bodies)


@pytest.mark.parametrize("damaged", ["", "{", "[]", "7", "{}", '{"traceparent": 7}', '{"traceparent": "00-0-0-01"}'])
def test_a_damaged_context_begins_no_trace_of_another_program(tracing: Tracing, damaged: str) -> None:
    with continued(tracing, damaged, "process", {}, kind="consumer") as spans:
        assert spans.trace_id != "0" * 32


def test_without_export_nothing_is_traced() -> None:
    assert continued(None, CONTEXT % (1, 1), "process", {}, kind="consumer") is UNTRACED
    assert step("record") is UNTRACED


def test_a_trace_state_that_does_not_fit_is_left_out(tracing: Tracing) -> None:
    states = ",".join(f"vendor{number}={'x' * 200}" for number in range(10))
    context = '{"traceparent":"00-%032x-%016x-01","tracestate":"%s"}' % (1, 1, states)  # noqa: UP031 - braces
    with continued(tracing, context, "process", {}, kind="consumer"):
        stored = context_of_work()
    assert stored is not None
    assert len(stored) <= MAX_CONTEXT
    assert "vendor" not in stored
