"""`python -m adsum`, and the installed command `adsum`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs one command. Help and complaints are plain where they do not go to a terminal."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        os.environ["TYPER_USE_RICH"] = "0"  # Typer asks once, when it is imported

    from adsum.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
