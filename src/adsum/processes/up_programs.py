"""The programs of which an `up` consists, and the settings that it hands to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from adsum.embedded.address import Address
from adsum.embedded.child import Program
from adsum.embedded.data_folder import DataFolder
from adsum.embedded.valkey import Valkey
from adsum.platform.settings import PREFIX, Settings

DRAIN_S = 35  # more than the worker allows its chunks
VALKEY_STOP_S = 10


@dataclass(frozen=True, slots=True)
class Commands:
    """What `up` starts; tests put something smaller in."""

    prepare: tuple[str, ...] = (sys.executable, "-m", "adsum.processes.bootstrap")
    serve: tuple[str, ...] = (sys.executable, "-m", "adsum", "serve")
    worker: tuple[str, ...] = (sys.executable, "-m", "adsum", "worker")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs, ready to be started."""

    prepare: Program
    serve: Program
    worker: Program


def programs(commands: Commands, environment: Mapping[str, str], *, demo: bool) -> Programs:
    """The programs that know Adsum's settings from their environment."""
    return Programs(
        Program("preparing the database", (*commands.prepare, *(["--demo"] if demo else [])), environment),
        Program("serve", commands.serve, environment, patience=DRAIN_S),
        Program("worker", commands.worker, environment, patience=DRAIN_S),
    )


def valkey_program(valkey: Valkey) -> Program:
    """The Valkey of the data folder; it writes to a log of its own."""
    return Program("valkey", valkey.prepare(), dict(os.environ), patience=VALKEY_STOP_S, log=valkey.log)


def environment_of(settings: Settings, folder: DataFolder, address: Address) -> dict[str, str]:
    """The environment that makes a child resolve every setting as this process did."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    # One worker is enough for what SQLite and one machine can do, unless somebody wants more.
    resolved = (
        {"worker_processes": 1}
        | given
        | {
            "database_url": settings.database_url or folder.database_url,
            "redis_url": settings.redis_url or folder.redis_url,
            "data_dir": folder.root,
            "host": address.host,
            "port": address.port,
        }
    )
    environment = dict(os.environ)
    environment |= {f"{PREFIX}{name.upper()}": _text(value) for name, value in resolved.items() if value is not None}
    if settings.secret_key is None:
        environment[f"{PREFIX}SECRET_KEY_FILE"] = str(folder.ensure_secret())
    if sys.stderr.isatty() and not environment.get("NO_COLOR"):
        environment["FORCE_COLOR"] = "1"  # their output reaches this terminal, though through a pipe
    return environment


def _text(value: SecretStr | Path | str | float) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
