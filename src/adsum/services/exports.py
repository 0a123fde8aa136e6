"""Whoever takes much out at once stands in the log: who it was, and what they asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adsum.domain.access import Caller
from adsum.telemetry import logger

log = logger(__name__)

# Ids, days, codes and words of ours. What else narrows a list is somebody's own text: it is named, not quoted.
_QUOTED = frozenset({"school_id", "class_id", "session_id", "student_id", "first_day", "last_day"})


def log_export(name: str, form: str, caller: Caller, narrowed: Mapping[str, Any]) -> None:
    """Writes one line of an export that begins.

    Args:
        name: of what is exported.
        form: of the file.
        caller: who exports it.
        narrowed: what they asked for, by the name of each filter.
    """
    quoted = {field: str(value) for field, value in narrowed.items() if field in _QUOTED}
    log.info("a list is exported", actor=caller.actor, list=name, form=form, filters=sorted(narrowed), **quoted)
