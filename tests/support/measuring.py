"""Coverage without the greenlets in which SQLAlchemy runs statements: no module that decides runs in them.

With `concurrency = ["greenlet"]` coverage traces them too, and looks up the greenlet at every call and return of all
code, which nearly doubles the CPU of a test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy.util import concurrency


def leave_out_greenlets() -> None:
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
