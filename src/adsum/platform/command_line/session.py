"""Runs a command on the open services: loads the settings, opens the database and Redis, and closes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

from adsum.platform.command_line.openers import OPENERS
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.services import Services
from adsum.platform.settings import Settings, load_settings
from adsum.platform.telemetry import configure_logs

Result = TypeVar("Result")
Service = TypeVar("Service")


def run_with(kind: type[Service], work: Callable[[Service], Awaitable[Result]], *, enqueues: bool = False) -> Result:
    """Opens all services, calls `work` with the service of this type, and closes them.

    Args:
        kind: the type of the service.
        work: what the command does.
        enqueues: whether it calls `AttendancesService.create_batch` or `RetryCancel.retry`, itself or through another
            service.

    Raises:
        ConfigurationError: a setting is wrong, the database lacks migrations, or the command enqueues and the workers
            have another number of shards, and so serve other queues.
    """
    return run_with_services(lambda services: work(services[kind]), enqueues=enqueues)


def run_with_services(work: Callable[[Services], Awaitable[Result]], *, enqueues: bool = False) -> Result:
    """Like `run_with`, for a command that uses several services."""
    return _run(partial(OPENERS.get().open_services, enqueues=enqueues), work)


def run_with_queue(work: Callable[[Services], Awaitable[Result]]) -> Result:
    """As `run_with_services`, also while the database is away. Raises ConfigurationError: a setting is wrong."""
    return _run(OPENERS.get().open_queue, work)


def run_with_doctor(kind: type[Service], work: Callable[[Service], Awaitable[Result]]) -> Result:
    """As `run_with`, without a server that has to respond. Raises ConfigurationError: a setting is wrong."""
    return _run(OPENERS.get().open_doctor, lambda services: work(services[kind]))


def quiet_settings() -> Settings:
    """Loads the settings and configures logs of warnings and errors only."""
    settings = load_settings()
    # A command reports its result itself; log lines come only with ADSUM_LOG_LEVEL.
    if "log_level" in settings.model_fields_set:
        configure_logs(settings)
        return settings
    configure_logs(settings.model_copy(update={"log_level": "WARNING"}))
    for name in OPENERS.get().silent_loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return settings


def _run(
    opener: Callable[[Settings], AbstractAsyncContextManager[Services]],
    work: Callable[[Services], Awaitable[Result]],
) -> Result:
    settings = quiet_settings()
    ORIGIN.set(Origin.of_command())

    async def run() -> Result:
        async with opener(settings) as services:
            return await work(services)

    return asyncio.run(run())
