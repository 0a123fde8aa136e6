"""Coverage of the modules that decide, measured only while tests run that are measured.

Coverage traces every call of every library, which costs up to as much again as what it traces. So it leaves out the
collection of tests, and the greenlets in which SQLAlchemy runs statements: no module that decides runs in them. With
`concurrency = ["greenlet"]` coverage would instead look up the greenlet at every call and return of all code.
pytest-cov would trace every process from its start to its end.
"""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from coverage import Coverage
from sqlalchemy.util import concurrency

import adsum

NOT_MEASURED = ("adsum.migrations", "adsum.__main__")
IMPORTS = (sys.executable, "-m", "coverage", "run", "-m", "tests.support.measuring")
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ


class Measurement:
    """The measurement of one process, which runs only inside `resumed`. Each process writes a file of its own; the one
    that starts the others combines them. Without `begin` nothing is measured.
    """

    def __init__(self) -> None:
        self._coverage: Coverage | None = None

    def begin(self) -> None:
        """Prepares the measurement. The first process also removes earlier results and imports every module."""
        if not IS_WORKER:
            Coverage().erase()
            subprocess.run(IMPORTS, check=True)
        _leave_out_greenlets()
        self._coverage = Coverage()

    @contextmanager
    def resumed(self) -> Generator[None]:
        """Measures the block."""
        if self._coverage is None:
            yield
            return
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()

    def end(self) -> None:
        """Writes what was measured."""
        if self._coverage is None:
            return
        self._coverage.save()
        if not IS_WORKER:
            Coverage().combine()


def import_every_module() -> None:
    """Imports every module, so that its definitions are measured, which no test does."""
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


if __name__ == "__main__":
    import_every_module()
