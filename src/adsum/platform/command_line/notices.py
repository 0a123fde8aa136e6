"""The one form of warnings, errors and remarks on stderr."""

from __future__ import annotations

import sys


def show_notice(text: str) -> None:
    """Prints a warning, an error or a remark, such as `adsum: there is no student 7`."""
    # Not typer.echo, which does not find the `sys.stderr` that `Live` replaces while it draws a bar.
    print(f"adsum: {text}", file=sys.stderr, flush=True)
