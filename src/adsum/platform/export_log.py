"""Logs every bulk export with its caller and filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adsum.platform.telemetry import logger

log = logger(__name__)

# Ids and days are logged with their values. Other filters may hold personal text: only their names are logged.
_QUOTED = frozenset({"school_id", "class_id", "session_id", "student_id", "first_day", "last_day"})


def log_export(name: str, form: str, actor: str, filters: Mapping[str, Any]) -> None:
    """Logs one line when an export begins.

    Args:
        name: the name of the list.
        form: the format of the file, such as `csv`.
        actor: the caller.
        filters: the filters of the list by name.
    """
    quoted = {field: str(value) for field, value in filters.items() if field in _QUOTED}
    log.info("a list is exported", actor=actor, list=name, form=form, filters=sorted(filters), **quoted)
