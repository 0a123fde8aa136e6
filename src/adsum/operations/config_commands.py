"""`adsum config show`: every setting with its value and its origin, secrets masked."""

from __future__ import annotations

import re
from typing import Any

import typer
from pydantic import SecretStr

from adsum.platform.command_line.output import Json, show_rows
from adsum.platform.settings import PREFIX, SECRETS, load_settings, origins

app = typer.Typer(no_args_is_help=True)

MASK = "********"
COLUMNS = ("name", "value", "origin")
_PASSWORD = re.compile(r"(://[^:@/?]*:).*@")
_QUERY_SECRET = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


@app.callback()
def config() -> None:
    """Settings, and where they come from."""


@app.command()
def show(*, as_json: Json = False) -> None:
    """Show every setting. An unset URL means the servers of the data folder."""
    settings = load_settings()
    rows = [
        {"name": f"{PREFIX}{name.upper()}", "value": _shown(name, getattr(settings, name)), "origin": origin}
        for name, origin in origins(settings).items()
    ]
    show_rows(COLUMNS, rows, as_json=as_json)


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if name in SECRETS and value is not None:
        return masked_url(str(value))
    return value


def masked_url(url: str) -> str:
    """The URL without its password, wherever it stands in it; rather too much is masked than too little."""
    return _QUERY_SECRET.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}@", url))
