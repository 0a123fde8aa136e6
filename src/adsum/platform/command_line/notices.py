"""The one form of warnings, errors and remarks on stderr."""

from __future__ import annotations

import re
import sys

from adsum.platform.texts import readable


def show_notice(text: str) -> None:
    """Prints a warning, an error or a remark, such as `adsum: there is no student 7`. Further lines are indented, so
    that a text that somebody has entered cannot look like another notice.
    """
    lines = re.sub("\n(?! )", "\n  ", readable(text))
    # Not typer.echo, which does not find the `sys.stderr` that `Live` replaces while it draws a bar.
    print(f"adsum: {lines}", file=sys.stderr, flush=True)
