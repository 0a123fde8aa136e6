"""What is wrong in a roster's files, always with the place: `enrollments.csv:17` is line 17 of that file."""

from __future__ import annotations

from typing import Any

from adsum.errors import Flaw


def file_flaw(code: str, file: str, detail: str, **params: Any) -> Flaw:
    """Something wrong with a whole file."""
    return Flaw(code, detail, file, {"file": file, **params})


def row_flaw(code: str, file: str, row: int, detail: str, **params: Any) -> Flaw:
    """Something wrong in one row; `row` is the line that it starts on, the header being line 1."""
    return Flaw(code, detail, f"{file}:{row}", {"file": file, "row": row, **params})
