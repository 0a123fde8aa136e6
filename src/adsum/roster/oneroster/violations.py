"""What is wrong in a roster's files, always with the place: `enrollments.csv:17` is line 17 of that file."""

from __future__ import annotations

from typing import Any

from adsum.platform.errors import Violation


def file_violation(code: str, file: str, detail: str, **params: Any) -> Violation:
    """Something wrong with a whole file."""
    return Violation(code, detail, file, {"file": file, **params})


def row_violation(code: str, file: str, row: int, detail: str, **params: Any) -> Violation:
    """Something wrong in one row; `row` is the line that it starts on, the header being line 1."""
    return Violation(code, detail, f"{file}:{row}", {"file": file, "row": row, **params})
