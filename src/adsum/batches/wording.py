"""What is wrong with a submission, in the words of the command line: its options stand for the fields of the API."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from adsum.batches.submission import BatchResult
from adsum.platform.errors import IdempotencyKeyReused, Invalid, Violation

OPTIONS = {"/learningDate": "--date", "/reason": "--reason"}


@contextmanager
def names_of_options() -> Generator[None]:
    """Names the options in what is refused within the block."""
    try:
        yield
    except IdempotencyKeyReused:
        detail = "--idempotency-key: this key was sent before, and something else with it"
        raise IdempotencyKeyReused(detail) from None
    except Invalid as error:
        raise Invalid(error.detail, [_named(violation) for violation in error.violations], **error.params) from None


def message_of(result: BatchResult) -> str:
    """The message for people. That there is nothing to do is only half of it where marks differ from the records."""
    if result.added_jobs or result.is_skipped or not result.conflicts:
        return result.message
    return f"{result.message}, {len(result.conflicts)} of them otherwise than asked"


def _named(violation: Violation) -> Violation:
    option = OPTIONS.get(violation.pointer)
    return violation if option is None else replace(violation, detail=f"{option}: {violation.detail}")
