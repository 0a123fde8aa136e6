"""One trace leads from the request of a client through the queue to the release of the batch and to a webhook."""

from __future__ import annotations

import json

from adsum.accounts.access import system_caller
from adsum.events.webhooks.service import NewWebhook
from tests.batches.queue.stub_processor import StubProcessor, running_worker
from tests.events.webhooks.conftest import Receiver, receiver
from tests.platform.tracing.conftest import PARENT_ID, TRACE_ID, Traced, until
from tests.support.collector import Collector

__all__ = ["receiver"]

SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = 2, 3, 4, 5, 1
TREE = [
    "POST /attendances/create-batch",
    "  accept",
    "    validate",
    "    commit",
    *["    POST webhook"] * 2,
    "  send attendance",
    "    process attendance",
    "      record",
    "      release",
]


async def test_a_batch_is_one_trace_from_the_request_to_the_webhook(traced: Traced, receiver: Receiver) -> None:
    await traced.adsum.webhooks.create(NewWebhook(receiver.url), system_caller())
    collector, school = traced.collector, traced.api.school

    answer = await traced.mark()
    async with traced.working():
        await until(lambda: len(collector.named("POST webhook")) == 2 and collector.named("release"))
    await until(lambda: collector.named("POST /attendances/create-batch"))

    # Settling completes the run itself, unless another transaction is under way.
    assert [line for line in collector.tree(TRACE_ID) if line.strip() != "complete"] == TREE
    assert {span.state for span in collector.spans} == {"vendor=1"}
    assert_continues_the_trace_of_the_client(collector)
    (accept,) = collector.named("accept")
    assert accept.attributes == {
        "adsum.batch_id": answer["batchId"],
        "adsum.run_id": answer["runId"],
        "adsum.school_id": school.school_id,
        "adsum.total_jobs": 3,
        "adsum.added_jobs": 3,
    }
    (sent,), (processed,) = collector.named("send attendance"), collector.named("process attendance")
    assert (sent.kind, processed.kind) == (PRODUCER, CONSUMER)
    assert sent.attributes["messaging.system"] == processed.attributes["messaging.system"] == "bullmq"
    assert_webhooks_have_the_trace(collector, receiver)


def assert_continues_the_trace_of_the_client(collector: Collector) -> None:
    (server,) = collector.named("POST /attendances/create-batch")
    assert (server.parent_id, server.kind, server.is_error) == (PARENT_ID, SERVER, False)
    assert (
        server.attributes.items()
        >= {"http.route": "/attendances/create-batch", "http.response.status_code": 202}.items()
    )


def assert_webhooks_have_the_trace(collector: Collector, receiver: Receiver) -> None:
    for received in receiver.received:
        trace_id, parent = received.headers["traceparent"].split("-")[1:3]
        assert trace_id == TRACE_ID
        assert parent in {span.span_id for span in collector.named("POST webhook")}
        assert "tracestate" not in received.headers


async def test_messages_carry_the_context_as_those_of_node_do(traced: Traced) -> None:
    await traced.api.create()
    carrier = json.loads((await traced.options_of_message())["tm"])
    await until(lambda: traced.collector.named("send attendance"))
    (sent,) = traced.collector.named("send attendance")
    assert carrier["traceparent"].startswith(f"00-{sent.trace_id}-{sent.span_id}-")
    assert carrier.keys() == {"traceparent"}


async def test_a_delivery_that_fails_is_an_error_in_the_trace(traced: Traced, receiver: Receiver) -> None:
    receiver.answer_of = lambda _: 500
    urls = (receiver.url, "http://127.0.0.1:1/")
    created = [await traced.adsum.webhooks.create(NewWebhook(url), system_caller()) for url in urls]
    await traced.api.create()
    await traced.adsum.event_numbering.number()
    for each in created:
        await traced.adsum.deliveries.deliver(each.webhook.id)
    await until(lambda: len(traced.collector.named("POST webhook")) == 2)

    sent = traced.collector.named("POST webhook")
    assert {(each.attributes["error.type"], each.is_error) for each in sent} == {
        ("500", True),
        ("connection_failed", True),
    }


async def test_a_run_that_the_sweeper_sends_again_continues_its_trace(traced: Traced) -> None:
    collector, redis = traced.collector, traced.adsum.shards.home.redis
    await traced.mark()
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types

    assert await traced.adsum.sweeper.sweep() == 1
    async with traced.working():
        await until(lambda: collector.named("release"))
    await until(lambda: collector.named("POST /attendances/create-batch"))

    (accept,), (processed,) = collector.named("accept"), collector.named("process attendance")
    assert (processed.trace_id, processed.parent_id) == (TRACE_ID, accept.span_id)
    assert {span.trace_id for span in collector.spans} == {TRACE_ID}


async def test_a_chunk_that_is_put_off_is_no_error_in_the_trace(traced: Traced) -> None:
    redis_url, processor = traced.adsum.settings.redis_url, StubProcessor(refusals=1)
    assert redis_url is not None
    processor.unblocked.set()
    await traced.mark()
    async with running_worker(redis_url, processor, tracing=traced.adsum.tracing):
        await until(lambda: len(traced.collector.named("process attendance")) == 2)

    deliveries = traced.collector.named("process attendance")
    assert [each.attributes.get("adsum.postponed") for each in deliveries] == [True, None]
    assert [(each.is_error, each.attributes.get("error.type")) for each in deliveries] == [(False, None)] * 2
