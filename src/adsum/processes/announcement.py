"""What `up` says when everything runs: the address, the demo accounts, and the browser's window."""

from __future__ import annotations

import json
import os
import sys
import threading
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.table import Table


def announce(url: str, data: Path, credentials: Path | None) -> None:
    """Prints the address and, on a terminal only, the demo accounts with their passwords."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Adsum is at [bold]{url}[/bold]")
    if not console.is_terminal:
        return
    console.print(f"API documentation at {url}/docs, data in {data}")
    if credentials is not None and credentials.exists():
        accounts = Table("account", "password", title="Demo school", title_justify="left")
        for email, password in json.loads(credentials.read_text(encoding="utf-8")).items():
            accounts.add_row(email, password)
        console.print(accounts)
    console.print("Ctrl-C stops everything.")


def show_in_browser(url: str) -> None:
    """Opens the address for who sits at a terminal with a display; does nothing otherwise."""
    if sys.stdout.isatty() and _has_display():
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # it may wait for the browser


def _has_display() -> bool:
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
