"""`python -m adsum`, and the installed command `adsum`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec


def main() -> None:
    """Runs one command. Without a terminal, help and errors are plain text."""
    if find_spec("typer") is None:
        sys.exit("adsum: only the client is installed. The command needs the server: pip install 'adsum[server]'")
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        os.environ["TYPER_USE_RICH"] = "0"  # Typer reads it on import

    from adsum.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
