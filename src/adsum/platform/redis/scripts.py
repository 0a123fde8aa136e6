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


class ScriptedRedis(Redis):
    """A pipeline of which a script was not known is sent once more: whatever Adsum sends may be done twice."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # pyright: ignore[reportUnknownMemberType]
        self._known: set[str] = set()

    @override
    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self, transaction, shard_hint, self._known)


class _Pipeline(Pipeline):
    """`known`: the digests of scripts that the server was seen to have; shared by all pipelines of a client."""

    def __init__(self, client: Redis, transaction: bool, shard_hint: str | None, known: set[str]) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._known = known

    @override
    async def load_scripts(self) -> None:
        shas = {script.sha for script in self.scripts}
        if not shas <= self._known:
            await super().load_scripts()
            self._known |= shas

    @override
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, scripts = list(self.command_stack), set(self.scripts)
        try:
            return await super().execute(raise_on_error)
        except NoScriptError:
            self._known.clear()
            self.command_stack, self.scripts = commands, scripts
            return await super().execute(raise_on_error)


Call = tuple[tuple[Any, ...], "asyncio.Future[Any]"]
"""A command, and where its reply goes."""


class PipeliningRedis(Redis):
    """Everything but scripts is sent as it comes: what blocks would hold up the others.

    Whoever is cancelled while waiting takes nothing back: the script runs all the same. That is so of any command whose
    reply is lost, too, and BullMQ bears it.
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
        sending.add_done_callback(partial(self._hand_out, [reply for _, reply in calls]))
        self._sending.add(sending)

    def _hand_out(self, waiting: Sequence[asyncio.Future[Any]], sent: asyncio.Task[list[Any]]) -> None:
        self._sending.discard(sent)
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        told = sent.result() if error is None else [error] * len(waiting)
        for reply, each in zip(waiting, told, strict=True):
            _settle(reply, each)

    async def _replies(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The replies, or in their place what was refused of each alone. Raises what concerns all: an outage."""
        async with self.pipeline(transaction=False) as pipe:
            for args in commands:
                pipe.execute_command(*args)  # pyright: ignore[reportUnknownMemberType]
            return await pipe.execute(raise_on_error=False)

    @override
    async def aclose(self, *arguments: Any, **options: Any) -> None:
        # What is sent after this would open a connection again, and nobody would close it.
        for _, reply in self._calls:
            reply.cancel()
        self._calls.clear()
        for sending in self._sending:
            sending.cancel()
        if self._sending:
            await asyncio.wait(self._sending)
        await super().aclose(*arguments, **options)


def _settle(reply: asyncio.Future[Any], told: object) -> None:
    if reply.done():  # whoever waited was cancelled
        return
    if isinstance(told, asyncio.CancelledError):
        reply.cancel()
    elif isinstance(told, BaseException):
        reply.set_exception(told)
    else:
        reply.set_result(told)
