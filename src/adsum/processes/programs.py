"""The programs that `up` and `worker --processes` keep running: commands, environment, stop signals and output."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from adsum.platform.clock import system_clock
from adsum.platform.embedded.address import Address
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.embedded.supervisor import Program, Supervisor
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.setting_files import PREFIX
from adsum.platform.setting_groups.providers import OidcProvider, text_of_providers
from adsum.platform.settings import Settings, file_of_setting

DRAIN_S = 35  # longer than a worker gives its chunks to finish
VALKEY_STOP_S = 10


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands that `up` starts. Tests replace them with smaller ones."""

    prepare: tuple[str, ...] = (sys.executable, "-m", "adsum.processes.bootstrap")
    serve: tuple[str, ...] = (sys.executable, "-m", "adsum", "serve")
    worker: tuple[str, ...] = (sys.executable, "-m", "adsum", "worker")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of `up`, ready to start."""

    prepare: Program
    serve: Program
    worker: Program


def programs(commands: Commands, environment: Mapping[str, str], *, demo: bool) -> Programs:
    """The programs of `up`, which read Adsum's settings from `environment`."""
    return Programs(
        Program("preparing the database", (*commands.prepare, *(["--demo"] if demo else [])), environment),
        Program("serve", commands.serve, environment, stop_timeout=DRAIN_S),
        Program("worker", commands.worker, environment, stop_timeout=DRAIN_S),
    )


def valkey_program(valkey: Valkey) -> Program:
    """The Valkey server of the data folder. It writes a log file of its own."""
    return Program("valkey", valkey.prepare(), dict(os.environ), stop_timeout=VALKEY_STOP_S, log=valkey.log)


def environment_of(settings: Settings, folder: DataFolder, address: Address) -> dict[str, str]:
    """The environment in which a child process resolves every setting as this process did."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    if file_of_setting(settings, "signing_keys") is not None:
        del given["signing_keys"]  # the child finds the same file, and reads it again when it changes
    # One worker process is enough for SQLite and one machine, unless the setting says otherwise.
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
    if settings.secret_key is None and settings.signing_keys is None:
        folder.ensure_secret()
    if sys.stderr.isatty() and not environment.get("NO_COLOR"):
        environment["FORCE_COLOR"] = "1"  # the output of the children reaches this terminal through a pipe
    return environment


def _text(value: SecretStr | Path | str | float | tuple[OidcProvider, ...]) -> str:
    if isinstance(value, tuple):
        return text_of_providers(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


class StopSignals:
    """Waits for SIGINT, SIGTERM or SIGHUP. The first requests an orderly stop; a second one kills the programs."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.stop_requested = asyncio.Event()
        self._supervisor = supervisor

    def listen(self) -> None:
        """Installs the signal handlers. Call it inside the event loop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop_or_kill)

    def _stop_or_kill(self) -> None:
        if self.stop_requested.is_set():
            self._supervisor.kill()
            return
        show("Finishing running work, then stopping. A second signal stops at once.\n")
        self.stop_requested.set()


def show(text: str) -> None:
    """Writes the output of a program to stderr."""
    with contextlib.suppress(OSError):  # a closed stderr is no reason to stop
        sys.stderr.write(text)
        sys.stderr.flush()


def warnings_as(log_format: str, command: str) -> Callable[[str], None]:
    """Writes warnings of the supervisor in the format of the log lines around them."""

    def warn(message: str) -> None:
        if log_format == "json":
            fields = {"timestamp": system_clock().isoformat(), "level": "warning", "event": message}
            message = json.dumps(fields | {"logger": f"adsum.{command}"})
        show(f"{message}\n")

    return warn
