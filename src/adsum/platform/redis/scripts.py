"""A client that does not ask, before each pipeline of scripts, whether the server still has them.

That question is a round trip of its own, and the answer is yes for as long as the server runs. One that has restarted
says so when it is given a script that it does not know; then it is given all of them again.
"""

from __future__ import annotations

from typing import Any

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
