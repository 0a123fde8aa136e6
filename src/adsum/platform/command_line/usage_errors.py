"""Errors of usage: wrong numbers in Adsum's own words, and no character that a terminal obeys."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer

from adsum.platform.texts import readable

MAX_QUOTED = 40


@contextmanager
def worded_usage_errors() -> Generator[None]:
    """Words the errors of usage in the block before Typer prints them."""
    try:
        yield
    except typer.TyperException as error:
        error.message = readable(_sentence(error.__cause__) or error.message)
        raise


def _sentence(cause: BaseException | None) -> str | None:
    """The sentence about a value that is no number, or is out of range; None: the error says it itself."""
    if cause is None:
        return None
    from pydantic import ValidationError  # noqa: PLC0415 - `adsum --help` is fast without it

    if not isinstance(cause, ValidationError):
        return None
    wrong = cause.errors(include_url=False)[0]
    limits = wrong.get("ctx", {})
    endings = {
        "int_parsing": "is not a whole number",
        "int_parsing_size": "is too large",
        "greater_than_equal": f"is too small: the smallest is {limits.get('ge')}",
        "less_than_equal": f"is too large: the largest is {limits.get('le')}",
    }
    ending = endings.get(wrong["type"])
    return None if ending is None else f"{str(wrong['input'])[:MAX_QUOTED]!r} {ending}"
