"""The clock of the process. Services receive it as an argument, so that tests can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Gives the current time, with a time zone."""


def system_clock() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)
