"""The kinds of the details of an entry, by which the page formats them."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

# The ids of what has a name, and a number that is no quantity.
_NAMED = {"ownerId": "person", "schoolId": "school", "endsWithKeyId": "key", "year": "code"}
_KINDS = {bool: "flag", int: "number", float: "number", list: "list", dict: "map"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(rf"{_DAY.pattern}T[0-9:.]+(Z|[+-][0-9]{{2}}:[0-9]{{2}})")


def typed_value(name: str, value: Any) -> tuple[str, Any]:
    """The kind of a detail, and its value, in which days and times are parsed.

    The kinds are none, flag, number, day, moment, person, school, key, list, map and code.
    """
    if value is None:
        return "none", None
    if not isinstance(value, str):
        kind = _NAMED.get(name) or ("code" if name.endswith("Id") else _KINDS[type(value)])
        return kind, value
    if _DAY.fullmatch(value):
        return "day", date.fromisoformat(value)
    if _MOMENT.fullmatch(value):
        return "moment", datetime.fromisoformat(value)
    return "code", value
