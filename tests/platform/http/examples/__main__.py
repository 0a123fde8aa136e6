"""Writes the examples of all operations and events: `python -m tests.platform.http.examples`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from pydantic import SecretStr

from adsum.platform.settings import Settings
from adsum.wiring import migrate
from tests.platform.http.examples.files import files_of
from tests.platform.http.examples.recording import ALLOWED_NETWORK, recorded
from tests.support.live import SECRET
from tests.support.servers.valkey import temporary_valkey, url_of


async def write(folder: Path, redis_url: str) -> None:
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{folder / 'adsum.db'}",
        redis_url=redis_url,
        secret_key=SecretStr(SECRET),
        webhook_allowed_networks=ALLOWED_NETWORK,
    )
    await migrate(settings)
    for path, text in files_of(*await recorded(settings)).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with temporary_valkey() as valkey, tempfile.TemporaryDirectory() as folder:
        asyncio.run(write(Path(folder), url_of(valkey)))
