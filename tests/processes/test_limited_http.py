"""Limits of connections, headers and bodies, in a running server."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from adsum.platform.cancellation import end
from adsum.platform.http.middleware import HEADERS
from adsum.platform.settings import load_settings
from adsum.processes import limited_http
from adsum.processes.limited_http import ConnectionLimits, Connections, LimitedHttp
from adsum.processes.serve import allow_open_files, headers_of_refusals, limits_of
from tests.support.waiting import until

LIMITS = ConnectionLimits(
    connections=5,
    connections_per_address=3,
    proxies="10.0.0.0/8,::1,unix",
    request_line=500,
    headers=1000,
    header_seconds=0.3,
    body_seconds=0.3,
    body_bytes=20,
)
GET = b"GET / HTTP/1.1\r\nHost: adsum.test\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: adsum.test\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: adsum.test\r\nContent-Length: 100\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/begins":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()
    content = str(length).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Client:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *parts: bytes, pause: float = 0) -> None:
        for part in parts:
            self.writer.write(part)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def answer(self) -> tuple[int, str]:
        """Status and body of the next response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.splitlines() if line.lower().startswith("content-length"))
        body = (await self.reader.readexactly(int(length.split(":")[1]))).decode()
        return int(head.split()[1]), body

    async def refusal(self) -> tuple[int, str]:
        """Status and code of a refusal, after which the server closes the connection."""
        status, body = await self.answer()
        assert await self.is_closed()
        return status, json.loads(body)["code"]

    async def refusal_while_sending(self, *parts: bytes, pause: float) -> tuple[int, str]:
        """Reads beside sending: what a client sends to a connection that the server has closed ends its reading."""
        sending = asyncio.create_task(self.send(*parts, pause=pause))
        status, body = await self.answer()
        await end([sending])
        with suppress(ConnectionError):
            assert await self.is_closed()
        return status, json.loads(body)["code"]

    async def is_closed(self) -> bool:
        """Waits until the server closes the connection without a response."""
        return await self.reader.read() == b""


class Running:
    """A server with limits on a free port."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.connections = Connections(limits, HEADERS)
        protocol = partial(LimitedHttp, self.connections)
        config = uvicorn.Config(application, port=0, lifespan="off", log_config=None, http=protocol)  # pyright: ignore[reportArgumentType]
        self.server = uvicorn.Server(config)
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return self.clients[-1]


@asynccontextmanager
async def serving(limits: ConnectionLimits = LIMITS) -> AsyncGenerator[Running]:
    running = Running(limits)
    running.server.config.load()
    running.server.lifespan = running.server.config.lifespan_class(running.server.config)
    await running.server.startup()
    try:
        yield running
    finally:
        for client in running.clients:
            await client.close()
        running.server.force_exit = True
        await running.server.shutdown()


@pytest.fixture
async def running() -> AsyncGenerator[Running]:
    async with serving() as server:
        yield server


async def test_requests_within_the_limits_are_answered_on_one_connection(running: Running) -> None:
    client = await running.connect()
    for _ in range(3):
        await client.send(GET + b"\r\n", b"\r\n")
        assert await client.answer() == (200, "0")
        await client.send(POST, *[b"x" * 50] * 2, pause=0.01)
        assert await client.answer() == (200, "100")


@pytest.mark.parametrize("parts", [[b"X: " + b"x" * 1001 + b"\r\n\r\n"], [b"X: "] + [b"x" * 400] * 3])
async def test_long_headers_are_431(running: Running, parts: list[bytes]) -> None:
    client = await running.connect()
    await client.send(GET, *parts, pause=0.02)
    assert await client.refusal() == (431, "headers_too_large")


async def test_a_chunk_that_is_longer_than_headers_may_be_is_content(running: Running) -> None:
    client = await running.connect()
    await client.send(CHUNKED, b"bb8\r\n" + b"x" * 3000, b"\r\n0\r\n", b"\r\n", pause=0.02)
    assert await client.answer() == (200, "3000")


async def test_trailers_are_not_kept_and_long_ones_are_431(running: Running) -> None:
    client = await running.connect()
    await client.send(CHUNKED + b"2\r\nxx\r\n0\r\nX: y\r\n\r\n")
    assert await client.answer() == (200, "2")
    await client.send(CHUNKED + b"2\r\nxx\r\n0\r\n", *[b"X: " + b"x" * 400 + b"\r\n"] * 3, pause=0.02)
    assert await client.refusal() == (431, "headers_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: +4\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"Content-Length: 4\nX: 1\r\n\r\n",
    ],
)
async def test_a_request_whose_end_can_be_read_in_two_ways_is_refused(running: Running, headers: bytes) -> None:
    """A proxy that reads it in the other way would take its rest for the request of somebody else."""
    client = await running.connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: adsum.test\r\n" + headers + b"0\r\n\r\n" + GET + b"\r\n")
    assert await client.refusal() == (400, "malformed")


async def test_a_refusal_has_the_security_headers_and_a_flood_of_them_few_lines(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "adsum")
    for _ in range(3):
        client = await running.connect()
        await client.send(b"nothing\r\n\r\n")
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode().lower()
        for header in ("x-content-type-options: nosniff", "frame-ancestors 'none'", "cache-control: no-store"):
            assert header in head
        await client.close()
    lines = [vars(record) for record in caplog.records if record.name.startswith("adsum")]
    assert [(each["msg"], each["code"], each["address"], each["total"]) for each in lines] == [
        ("connection refused", "malformed", "127.0.0.1", 1)
    ]


def test_a_line_about_refusals_says_how_many_there_were(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limited_http, "PAUSE_OF_LOG_S", 0.0)
    connections = Connections(LIMITS, HEADERS)
    connections.note_refusal("request_timeout", "192.0.2.7")
    monkeypatch.setattr(limited_http, "PAUSE_OF_LOG_S", 3600.0)
    for _ in range(4):
        connections.note_refusal("request_timeout", "192.0.2.8")
    monkeypatch.setattr(limited_http, "PAUSE_OF_LOG_S", 0.0)
    connections.note_refusal("request_timeout", None)
    lines = [vars(record) for record in caplog.records]
    assert [(each["address"], each["total"]) for each in lines] == [("192.0.2.7", 1), (None, 5)]


async def test_a_long_address_is_414(running: Running) -> None:
    client = await running.connect()
    await client.send(b"POST /" + b"x" * 500 + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")
    assert await client.refusal() == (414, "url_too_long")


async def test_a_browser_gets_a_page_and_a_program_that_accepts_pages_does_not(running: Running) -> None:
    browser, program = await running.connect(), await running.connect()
    line, accept = b"GET /" + b"x" * 500 + b" HTTP/1.1\r\nHost: a\r\n", b"Accept: text/html,*/*;q=0.8\r\n"
    await browser.send(line + accept + b"\r\n")
    status, page = await browser.answer()
    assert (status, "This address is too long" in page, "Diese Adresse ist zu lang" in page) == (414, True, True)
    await program.send(line + accept + b"Authorization: Bearer x\r\n\r\n")
    assert await program.refusal() == (414, "url_too_long")


async def test_headers_that_do_not_end_are_408(running: Running) -> None:
    client = await running.connect()
    sent = GET, *[b"X: y\r\n"] * 20
    assert await client.refusal_while_sending(*sent, pause=0.01) == (408, "request_timeout")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed(running: Running, sent: bytes) -> None:
    client = await running.connect()
    await client.send(sent)
    assert await client.is_closed()


async def test_empty_lines_after_a_response_do_not_keep_a_connection_open(running: Running) -> None:
    client = await running.connect()
    await client.send(GET + b"\r\n")
    await client.answer()
    await client.send(*[b"\r\n"] * 8, pause=0.03)
    assert await client.is_closed()


async def test_a_body_that_drips_is_408_and_one_that_is_fast_enough_is_not(running: Running) -> None:
    slow, fast = await running.connect(), await running.connect()
    refused, _ = await asyncio.gather(
        slow.refusal_while_sending(POST, *[b"x"] * 5, pause=0.05),
        fast.send(POST, *[b"x" * 10] * 10, pause=0.08),
    )
    assert refused == (408, "request_timeout")
    assert await fast.answer() == (200, "100")


async def test_a_refusal_does_not_follow_the_beginning_of_another_response(running: Running) -> None:
    client = await running.connect()
    await client.send(GET.replace(b"/", b"/begins", 1) + b"\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    await client.send(GET, b"X: " + b"x" * 1001 + b"\r\n\r\n", pause=0.01)
    assert await client.is_closed()


async def test_connections_of_one_address_are_limited_and_counted_down(running: Running) -> None:
    clients = [await running.connect() for _ in range(3)]
    assert await (await running.connect()).refusal() == (503, "too_many_connections")
    await clients[0].close()
    await until(partial(asyncio.to_thread, lambda: running.connections.count == 2))
    client = await running.connect()
    await client.send(GET + b"\r\n")
    assert await client.answer() == (200, "0")


async def test_a_proxy_has_only_the_limit_of_all_connections() -> None:
    async with serving(replace(LIMITS, proxies="127.0.0.1")) as running:
        for _ in range(5):
            client = await running.connect()
            await client.send(GET + b"\r\n")
            assert await client.answer() == (200, "0")
        client = await running.connect()
        await client.send(b"ignored")
        assert await client.refusal() == (503, "too_many_connections")


def test_connections_are_counted_by_network() -> None:
    connections = Connections(replace(LIMITS, connections_per_address=1), HEADERS)
    assert [connections.add(address) for address in ("2001:db8::1", "2001:db8::ffff:2")] == [True, False]
    assert [connections.add(address) for address in ("192.0.2.1", "::ffff:192.0.2.1")] == [True, False]


def test_proxies_are_addresses_networks_or_all() -> None:
    one = replace(LIMITS, connections_per_address=1, connections=100)
    of_networks, of_all = (Connections(each, HEADERS) for each in (one, replace(one, proxies="*")))
    for _ in range(3):
        assert of_networks.add("10.9.8.7")
        assert of_networks.add(None)
        assert of_all.add("192.0.2.1")
    assert [of_networks.add("192.0.2.1") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(("limits", "allowed"), [((100, 5000), 1000), ((100, 600), 600), ((2000, 5000), 2000)])
def test_a_process_may_have_as_many_open_files_as_connections(
    limits: tuple[int, int], allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [limits]

    def change(_kind: int, changed: tuple[int, int]) -> None:
        found.append(changed)

    def read(_kind: int) -> tuple[int, int]:
        return found[-1]

    monkeypatch.setattr(resource, "getrlimit", read)
    monkeypatch.setattr(resource, "setrlimit", change)
    allow_open_files(1000)
    assert found[-1] == (allowed, limits[1])


def test_refusals_demand_https_where_the_public_address_does() -> None:
    for url, header in (
        ("https://adsum.example", "max-age=31536000; includeSubDomains"),
        ("http://adsum.example", None),
    ):
        headers = headers_of_refusals(load_settings(public_url=url))
        assert (headers.get("Strict-Transport-Security"), headers["X-Content-Type-Options"]) == (header, "nosniff")
    assert "Strict-Transport-Security" not in headers_of_refusals(load_settings())


def test_the_limits_are_those_of_the_settings() -> None:
    limits = limits_of(load_settings(max_connections=20, max_connections_per_address=2, trusted_proxies="10.0.0.1"))
    assert (limits.connections, limits.connections_per_address, limits.proxies) == (20, 2, "10.0.0.1")
