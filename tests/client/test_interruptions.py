"""Replies that are lost, streams that break, a worker that is away, a database that is stopped, and limits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adsum.client import (
    BatchTimeout,
    ConnectionFailed,
    NotFound,
    Retries,
    TooManyRequests,
    Unavailable,
    following,
    session,
)
from tests.client.clients import AnyClient
from tests.client.conftest import Connect
from tests.client.proxy import Proxy, proxy_to
from tests.client.system import Caller, System, caller_at
from tests.support.commands import commands
from tests.support.live import serving
from tests.support.servers.controlled import controlled_postgres

# Both clients.
pytestmark = pytest.mark.every_case

KEY = "Idempotency-Key"


def events(proxy: Proxy) -> list[str]:
    return [head for head in proxy.requests if head.splitlines()[0].split()[1].endswith("/events")]


def test_a_request_whose_reply_is_lost_is_repeated_under_its_key_and_has_the_first_answer(
    proxied: AnyClient, proxy: Proxy, caller: Caller, system: System
) -> None:
    with system.worker_away():
        proxy.lost_replies = 2
        result = proxied.create_batch(caller.whole_class())
        assert (result.added_jobs, result.is_skipped) == (30, False)  # not: "is being processed"
        keys = proxy.headers(KEY)
        assert (len(keys), len(set(keys))) == (3, 1)
        assert proxied.create_batch(caller.whole_class()).is_skipped  # a call of its own has a key of its own
        assert len(set(proxy.headers(KEY))) == 2
    assert proxied.batch_jobs(result.batch_id)[0].run_id == result.run_id


def test_a_key_that_was_stored_gives_the_first_answer_after_a_crash(
    client: AnyClient, connect: Connect, caller: Caller, system: System
) -> None:
    first = client.create_batch(caller.whole_class(), idempotency_key="register-7b-monday")
    client.wait_for_batch(first.batch_id)
    restarted = connect(system.address, api_key=caller.key)
    assert restarted.create_batch(caller.whole_class(), idempotency_key="register-7b-monday") == first


def test_a_correction_whose_reply_is_lost_is_made_once(proxied: AnyClient, proxy: Proxy, caller: Caller) -> None:
    proxied.wait_for_batch(proxied.create_batch(caller.whole_class()).batch_id)
    record, *_ = proxied.records({"classId": caller.school.class_id})
    proxy.lost_replies = 1
    corrected = proxied.correct_record(record.id, record.version, {"status": "late"})
    assert (corrected.status, corrected.version) == ("late", record.version + 1)
    assert len(list(proxied.items(f"/attendances/{record.id}/history"))) == 2


def test_a_request_without_a_key_is_not_repeated_if_it_may_have_been_executed(proxied: AnyClient, proxy: Proxy) -> None:
    proxy.lost_replies = 1
    with pytest.raises(ConnectionFailed):
        proxied.request("POST", "/keys", json={})
    assert len(proxy.requests) == 1
    proxy.lost_replies = 1
    assert proxied.request("POST", "/students/search", json={"q": "Ada"})["items"] == []
    assert len(proxy.requests) == 3


def test_an_api_that_cannot_be_reached_is_tried_as_often_as_it_was_said(
    connect: Connect, proxy: Proxy, caller: Caller
) -> None:
    with proxy_to(1) as closed:
        address = closed.address
    client = connect(address, api_key=caller.key, retries=Retries(attempts=3, first_pause=0.001))
    with pytest.raises(ConnectionFailed, match="no answer: "):
        client.create_batch(caller.whole_class())
    with pytest.raises(ConnectionFailed):
        list(client.follow_batch("class-1-session-1-date-25122024"))
    proxy.lost_replies = 3
    client = connect(proxy.address, api_key=caller.key, retries=Retries(attempts=3, first_pause=0.001))
    with pytest.raises(ConnectionFailed):
        client.create_batch(caller.whole_class())
    assert len(proxy.requests) == 3


def test_a_stream_that_breaks_is_resumed_after_its_last_event(
    proxied: AnyClient, proxy: Proxy, caller: Caller, system: System
) -> None:
    with system.worker_away() as begin:
        result = proxied.create_batch(caller.whole_class())
        proxy.cut_after = b"\n\n"  # the end of the first event
        states = proxied.follow_batch(result.batch_id)
        first = next(states)
        assert (first.state, first.remaining_jobs) == ("processing", 30)
        begin()
        rest = list(states)
    assert (rest[-1].state, rest[-1].recorded_jobs) == ("completed", 30)
    assert first not in rest
    assert [head.count("Last-Event-ID") + head.count("last-event-id") for head in events(proxy)] == [0, 1]
    assert f"{result.run_id}:0:processing" in events(proxy)[1]


def test_a_stream_goes_on_in_another_process_when_its_own_is_stopped(
    proxied: AnyClient, proxy: Proxy, caller: Caller, system: System
) -> None:
    settings = system.commands.settings
    with system.worker_away() as begin:
        with serving(settings["database_url"], settings["redis_url"]) as stopped:
            proxy.to_port = stopped.port
            result = proxied.create_batch(caller.whole_class())
            states = proxied.follow_batch(result.batch_id)
            assert next(states).remaining_jobs == 30
            proxy.to_port = system.port
        begin()
        assert list(states)[-1].recorded_jobs == 30
    assert f"{result.run_id}:0:processing" in events(proxy)[1]


@pytest.mark.parametrize(
    ("cut_after", "replaced"),
    [(b"\r\n\r\n", (b"\0", b"")), (b"", (b"text/event-stream", b"text/plain"))],
    ids=["which ends", "of another type"],
)
def test_a_stream_without_a_line_is_replaced_by_questions(
    client: AnyClient,
    proxied: AnyClient,
    proxy: Proxy,
    caller: Caller,
    cut_after: bytes,
    replaced: tuple[bytes, bytes],
) -> None:
    batch_id = client.create_batch(caller.whole_class()).batch_id
    client.wait_for_batch(batch_id)
    proxy.cut_after, proxy.replaced = cut_after, replaced
    assert proxied.wait_for_batch(batch_id).state == "completed"
    paths = [head.split()[1] for head in proxy.requests]
    assert paths == [f"/attendances/batches/{batch_id}/events", f"/attendances/batch-status/{batch_id}"]


def test_a_proxy_that_holds_streams_back_is_replaced_by_questions(
    proxied: AnyClient, proxy: Proxy, caller: Caller, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SILENCE_S", 0.2)
    with system.worker_away() as begin:
        result = proxied.create_batch(caller.whole_class())
        proxy.holds_streams = True
        states = proxied.follow_batch(result.batch_id)
        assert next(states).state == "processing"
        begin()
        assert list(states)[-1].state == "completed"
    assert len(events(proxy)) == 1


@pytest.mark.parametrize("silence", [20.0, 0.1], ids=["asking", "listening"])
def test_a_batch_without_a_worker_ends_in_a_timeout_and_goes_on(
    client: AnyClient, caller: Caller, system: System, monkeypatch: pytest.MonkeyPatch, silence: float
) -> None:
    monkeypatch.setattr(following, "SILENCE_S", silence)
    monkeypatch.setattr(session, "SILENCE_S", silence)
    with system.worker_away():
        result = client.create_batch(caller.whole_class())
        with pytest.raises(BatchTimeout, match="30 of 30 jobs remain") as late:
            client.wait_for_batch(result.batch_id, timeout=0.3)
        assert late.value.status is not None
        assert late.value.status.remaining_jobs == 30
        with pytest.raises(TimeoutError, match=r"has not ended in time$"):
            client.wait_for_batch(result.batch_id, timeout=0)
    assert client.wait_for_batch(result.batch_id).recorded_jobs == 30


def test_a_caller_beyond_their_limit_hears_when_to_come_back(connect: Connect, sqlite_url: str, redis_url: str) -> None:
    settings = commands(database_url=sqlite_url, redis_url=redis_url)
    caller = caller_at(settings)
    with serving(sqlite_url, redis_url, rate_limit_key="2") as live:
        client = connect(f"http://127.0.0.1:{live.port}", api_key=caller.key, retries=Retries(longest_pause=0.5))
        batch_id = client.create_batch(caller.whole_class()).batch_id
        assert client.batch_status(batch_id).remaining_jobs == 30
        with pytest.raises(TooManyRequests) as refused:
            client.batch_status(batch_id)
        assert (refused.value.status, refused.value.code) == (429, "rate_limited")
        assert refused.value.retry_after is not None
        assert 0 < refused.value.retry_after <= 60
        with pytest.raises(TooManyRequests):
            next(client.follow_batch(batch_id))


def test_a_request_during_an_outage_of_the_database_is_repeated_until_it_is_over(
    connect: Connect, postgres_data: Path, redis_url: str
) -> None:
    with controlled_postgres(postgres_data, durable=True) as (database, url):
        asyncio.run(database.start())
        database_url = url.replace("/postgres?", "/adsum_template?")
        caller = caller_at(commands(database_url=database_url, redis_url=redis_url))
        with serving(database_url, redis_url) as live, proxy_to(live.port) as proxy:
            client = connect(proxy.address, api_key=caller.key, retries=Retries(100, first_pause=0.01, longest_pause=5))
            assert len(list(client.items("/students"))) == 30
            asyncio.run(database.down())
            impatient = connect(proxy.address, api_key=caller.key, retries=Retries(attempts=1))
            with pytest.raises(Unavailable) as refused:
                impatient.create_batch(caller.whole_class())
            assert (refused.value.status, refused.value.code) == (503, "database_unavailable")
            assert refused.value.retry_after in range(1, 6)
            proxy.unavailable.clear()
            with ThreadPoolExecutor(max_workers=1) as thread:
                result = thread.submit(client.create_batch, caller.whole_class())
                proxy.unavailable.wait()
                asyncio.run(database.start())  # here, because the server ends with the thread that starts it
                assert result.result().added_jobs == 30


def test_the_words_of_a_proxy_are_a_problem_with_its_status(proxied: AnyClient, proxy: Proxy) -> None:
    proxy.replaced = (b"application/problem+json", b"text/plain")
    with pytest.raises(NotFound) as refused:
        proxied.batch_status("class-1-session-1-date-25122024")
    assert (refused.value.status, refused.value.code, refused.value.errors) == (404, "http_404", ())
