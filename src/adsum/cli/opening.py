"""What commands share that work on the open system: settings, logs, database and Redis, and their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adsum import wiring
from adsum.queue.control import QueueControl
from adsum.services import queueing
from adsum.settings import Settings, load_settings
from adsum.telemetry import configure_logs

Result = TypeVar("Result")


def with_adsum(work: Callable[[wiring.Adsum], Awaitable[Result]]) -> Result:
    """Opens everything, lets `work` do its work, closes everything.

    Raises:
        ConfigurationError: a setting is wrong, or the database lacks migrations.
    """
    settings = quiet_settings()

    async def run() -> Result:
        async with wiring.open_adsum(settings) as adsum:
            await adsum.readiness.require_current_schema()
            return await work(adsum)

    return asyncio.run(run())


def with_queue(work: Callable[[QueueControl], Awaitable[Result]]) -> Result:
    """Opens the queue alone, lets `work` do its work, closes it. Raises ConfigurationError: a setting is wrong."""
    settings = quiet_settings()

    async def run() -> Result:
        async with wiring.open_queue_control(settings) as control:
            return await work(control)

    return asyncio.run(run())


def quiet_settings() -> Settings:
    """The settings, with logs of warnings and errors only."""
    settings = load_settings()
    # A command says what it has done by its result; who wants its log lines, too, names a level.
    if "log_level" in settings.model_fields_set:
        configure_logs(settings)
        return settings
    configure_logs(settings.model_copy(update={"log_level": "WARNING"}))
    logging.getLogger(queueing.__name__).setLevel(logging.CRITICAL)  # that the queue is away is told in words
    return settings
