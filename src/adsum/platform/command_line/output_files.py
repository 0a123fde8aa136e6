"""Where a command writes more than a few lines: to stdout, or into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

STDOUT = Path("-")


def to_stdout(text: str) -> None:
    """UTF-8, whatever the terminal's locale."""
    sys.stdout.buffer.write(text.encode())


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """A file that appears when it is whole: half a register must not be taken for one."""
    part = path.with_name(f".{path.name}.part")
    try:
        # For its owner alone: it is about children.
        with open(part, "wb", opener=_for_owner) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}", param_hint="--output") from None
    finally:
        part.unlink(missing_ok=True)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
