"""How commands open the services. This module imports no library, so that `adsum --help` is quick."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adsum.platform.services import Services
    from adsum.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Openers:
    """What the root of the command line hands to every command.

    Attributes:
        open_services: opens everything for these settings. Raises ConfigurationError: the database lacks migrations.
        open_queue: opens the queue alone, which can be paused while the database is away.
        silent_loggers: loggers whose messages a command says itself, in its own words.
    """

    open_services: Callable[[Settings], AbstractAsyncContextManager[Services]]
    open_queue: Callable[[Settings], AbstractAsyncContextManager[Services]]
    silent_loggers: tuple[str, ...] = ()


OPENERS: ContextVar[Openers] = ContextVar("openers")
"""Set by the root of the command line before a command runs."""
