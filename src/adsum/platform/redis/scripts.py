"""Clients that send Lua scripts with few round trips."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError
from typing_extensions import override

from adsum.platform.cancellation import end


class ScriptedRedis(Redis):
    """A client that does not check before each pipeline whether the server has the scripts.

    redis-py's check is a round trip of its own, and the scripts exist for as long as the server runs. If the server has
    restarted, it replies NOSCRIPT; then the client loads all scripts and sends the pipeline again. All commands of
    Adsum may run twice.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # pyright: ignore[reportUnknownMemberType]
        self._loaded: set[str] = set()

    @override
    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self, transaction, shard_hint, self._loaded)


class _Pipeline(Pipeline):
    """`loaded` holds the digests of the scripts that the server has. All pipelines of a client share it."""

    def __init__(self, client: Redis, transaction: bool, shard_hint: str | None, loaded: set[str]) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._loaded = loaded

    @override
    async def load_scripts(self) -> None:
        shas = {script.sha for script in self.scripts}
        if not shas <= self._loaded:
            await super().load_scripts()
            self._loaded |= shas

    @override
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, scripts = list(self.command_stack), set(self.scripts)
        try:
            return await super().execute(raise_on_error)
        except NoScriptError:
            self._loaded.clear()
            self.command_stack, self.scripts = commands, scripts
            return await super().execute(raise_on_error)


Call = tuple[tuple[Any, ...], "asyncio.Future[Any]"]
"""A command, and the future of its reply."""


class PipeliningRedis(Redis):
    """A client that sends all scripts of one turn of the event loop in one pipeline.

    BullMQ runs a script for each message, and the 64 messages of a group run it in the same turn. Sending them one by
    one, on 64 connections, took two thirds of a worker's time. Other commands are sent at once, because a blocking
    command would delay the others.

    A script whose caller is cancelled runs all the same, as with any command whose reply is lost. BullMQ allows that.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # pyright: ignore[reportUnknownMemberType]
        self._calls: list[Call] = []
        self._sending: set[asyncio.Task[list[Any]]] = set()

    @override
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] != "EVALSHA":
            return await cast("Any", super()).execute_command(*args, **options)
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        if not self._calls:
            loop.call_soon(self._begin_sending)
        self._calls.append((args, reply))
        return await reply

    def _begin_sending(self) -> None:
        calls, self._calls = self._calls, []
        if not calls:  # the client was closed
            return
        sending = asyncio.get_running_loop().create_task(self._replies([args for args, _ in calls]))
        sending.add_done_callback(partial(self._distribute, [reply for _, reply in calls]))
        self._sending.add(sending)

    def _distribute(self, waiting: Sequence[asyncio.Future[Any]], sent: asyncio.Task[list[Any]]) -> None:
        self._sending.discard(sent)
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        replies = sent.result() if error is None else [error] * len(waiting)
        for reply, each in zip(waiting, replies, strict=True):
            _settle(reply, each)

    async def _replies(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The reply, or the error, of each command. Raises errors that concern all commands, such as an outage."""
        async with self.pipeline(transaction=False) as pipe:
            for args in commands:
                pipe.execute_command(*args)  # pyright: ignore[reportUnknownMemberType]
            return await pipe.execute(raise_on_error=False)

    @override
    async def aclose(self, *arguments: Any, **options: Any) -> None:
        # A later command would open a new connection, which would never be closed.
        for _, reply in self._calls:
            reply.cancel()
        self._calls.clear()
        await end(self._sending)
        await super().aclose(*arguments, **options)


def _settle(reply: asyncio.Future[Any], outcome: object) -> None:
    if reply.done():  # the caller was cancelled
        return
    if isinstance(outcome, asyncio.CancelledError):
        reply.cancel()
    elif isinstance(outcome, BaseException):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)
