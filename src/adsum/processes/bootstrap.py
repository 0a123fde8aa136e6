"""Prepares the servers before `up` starts its programs: checks them, migrates, and loads the demo school.

It is a process of its own, so that `up`, which runs for as long as the installation does, imports no database library.
"""

from __future__ import annotations

import asyncio
import os
import sys

from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.errors import AdsumError, ConfigurationError
from adsum.platform.settings import Settings, load_settings
from adsum.servers import require_usable_servers
from adsum.wiring import load_demo, migrate, require_possible_sign_in


async def prepare(settings: Settings, *, demo: bool) -> None:
    """Checks the configured servers, brings the database to this version's schema, and loads the demo school.

    Raises:
        ConfigurationError: a configured server cannot be used, or nobody could sign in.
    """
    folder = DataFolder.of(settings)
    await require_usable_servers(settings)
    await migrate(settings)
    if demo:
        folder.keep_credentials(await load_demo(settings))
        folder.demo_wanted.unlink(missing_ok=True)
    await require_possible_sign_in(settings)


def main() -> int:
    """Prepares according to the environment. Prints one line on an error; a wrong setting is status `os.EX_CONFIG`."""
    try:
        asyncio.run(prepare(load_settings(), demo="--demo" in sys.argv[1:]))
    except ConfigurationError as error:
        print(error.detail, file=sys.stderr)
        return os.EX_CONFIG
    except AdsumError as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
