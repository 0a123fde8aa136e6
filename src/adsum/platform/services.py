"""The open services of a process by type, for endpoints and commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from adsum.platform.clock import Clock
from adsum.platform.settings import Settings

Service = TypeVar("Service")


class Services:
    """Returns the service of a type. `clock` and `settings` are those of all services."""

    def __init__(self, services: Iterable[object], *, clock: Clock, settings: Settings) -> None:
        self._by_type: dict[type, object] = {type(each): each for each in services}
        self.clock = clock
        self.settings = settings

    def __getitem__(self, kind: type[Service]) -> Service:
        service = self._by_type[kind]
        assert isinstance(service, kind)
        return service
