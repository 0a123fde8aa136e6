"""What `up` does before the servers start, in a process of its own: the schema, and the demo school if it is wanted.

A process of its own, because `up` runs for ever and has no other use for a database library.
"""

from __future__ import annotations

import asyncio
import sys

from adsum.embedded.data_folder import DataFolder
from adsum.platform.errors import AdsumError
from adsum.platform.settings import Settings, load_settings
from adsum.wiring import load_demo, migrate


async def prepare(settings: Settings, *, demo: bool) -> None:
    """Brings the database to this version's schema, and makes the demo school if it is wanted."""
    folder = DataFolder.of(settings)
    await migrate(settings)
    if demo:
        folder.keep_credentials(await load_demo(settings))
        folder.demo_wanted.unlink(missing_ok=True)


def main() -> int:
    """Prepares by the environment's settings; says in one line what is wrong."""
    try:
        asyncio.run(prepare(load_settings(), demo="--demo" in sys.argv[1:]))
    except AdsumError as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
