"""The functions with which commands open services. This module imports no library, so that `adsum --help` is fast."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from adsum.platform.services import Services
    from adsum.platform.settings import Settings


class OpenServices(Protocol):
    """Opens all services. `enqueues`: for a command that enqueues chunks."""

    def __call__(self, settings: Settings, *, enqueues: bool = False) -> AbstractAsyncContextManager[Services]: ...


@dataclass(frozen=True, slots=True)
class Openers:
    """The functions and settings that the root of the command line provides to every command.

    Attributes:
        open_services: opens all services. Raises ConfigurationError: the database lacks migrations, or the workers
            serve other queues than the one in which the command enqueues.
        open_queue: opens the queue alone, so that it can be paused during an outage of the database.
        open_doctor: opens the doctor, which needs no server that responds.
        silent_loggers: loggers whose events the commands report themselves.
    """

    open_services: OpenServices
    open_queue: Callable[[Settings], AbstractAsyncContextManager[Services]]
    open_doctor: Callable[[Settings], AbstractAsyncContextManager[Services]]
    silent_loggers: tuple[str, ...] = ()


OPENERS: ContextVar[Openers] = ContextVar("openers")
"""Set by the root of the command line before a command runs."""
