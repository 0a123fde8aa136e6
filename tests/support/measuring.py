"""Coverage of the modules that decide, measured only while tests run that are measured.

Coverage traces every call of every library, which costs up to as much again as what it traces. So it leaves out the
collection of tests, and the greenlets in which SQLAlchemy runs statements: no module that decides runs in them. With
`concurrency = ["greenlet"]` coverage would instead look up the greenlet at every call and return of all code.
pytest-cov would trace every process from its start to its end.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from coverage import Coverage
from sqlalchemy.util import concurrency

import adsum

NOT_MEASURED = ("adsum.operations.migrations", "adsum.__main__")


class Measurement:
    """The measurement of this process and of those that are forked, which runs only inside `resumed`. Each process
    writes a file of its own. Without `begin` nothing is measured.
    """

    def __init__(self) -> None:
        self._coverage: Coverage | None = None

    def begin(self) -> None:
        """Removes earlier results, and imports every module, so that its definitions are measured, which no test does.

        Call it before anything else imports them.
        """
        Coverage().erase()
        _leave_out_greenlets()
        self._coverage = Coverage()
        with self.resumed():
            _import_every_module()

    @contextmanager
    def resumed(self, context: str = "") -> Generator[None]:
        """Measures the block. `context`: a name for what it runs."""
        if self._coverage is None:
            yield
            return
        self._coverage.start()
        if context:
            self._coverage.switch_context(context)
        try:
            yield
        finally:
            self._coverage.stop()

    def save(self) -> None:
        """Writes what this process has measured."""
        if self._coverage is not None:
            self._coverage.save()

    def combine(self) -> None:
        """Combines the files of all processes."""
        if self._coverage is not None:
            Coverage().combine()


def _import_every_module() -> None:
    for module in pkgutil.walk_packages(adsum.__path__, "adsum."):
        if not module.name.startswith(NOT_MEASURED):
            import_module(module.name)


def _leave_out_greenlets() -> None:
    """Replaces SQLAlchemy's greenlet by one that pauses the tracer of its thread until it switches back."""
    shim: Any = concurrency._concurrency_shim  # pyright: ignore[reportPrivateUsage]
    original: Any = shim._AsyncIoGreenlet

    class UnmeasuredGreenlet(original):
        def switch(self, *args: Any, **kwargs: Any) -> Any:
            return _untraced(original.switch, self, *args, **kwargs)

        def throw(self, *args: Any) -> Any:
            return _untraced(original.throw, self, *args)

    shim._AsyncIoGreenlet = UnmeasuredGreenlet


def _untraced(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    tracer: Any = sys.gettrace()
    if tracer is None:
        return call(*args, **kwargs)
    sys.settrace(None)
    try:
        return call(*args, **kwargs)
    finally:
        tracer.start()
