"""The peers as systems: the seed's own stack on Node, and the seed's design on three queues for Python."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from typing_extensions import override

from benchmarks.checks import of_bullmq
from benchmarks.peers.environments import NODE, PYTHON, python_program
from benchmarks.servers import Data, Servers
from benchmarks.systems import SeedLike
from benchmarks.timetable import Timetable

# Celery's own keys, which exist as long as a worker runs.
BINDINGS = (
    *(f"binding.{queue}" for queue in ("celery", "celery.pidbox", "celeryev")),
    *("binding_deadlines", "binding_permanent.celery"),
)


class Peer(SeedLike):
    """Common to all peers: environment variables for the drivers, and no authentication."""

    def __init__(self, data: Data, timetable: Timetable, servers: Servers) -> None:
        super().__init__(data, timetable)
        sources = {"PYTHONPATH": str(PYTHON), "VALKEY_SOCKET": str(data.valkey.socket)}
        self.environment = servers.connect_to(data.database) | sources

    @property
    @override
    def token(self) -> str:
        return ""


class SeedOnNode(Peer):
    """BullMQ on Node: one job and one INSERT per student, 100 concurrently."""

    name = "seed"
    fixed = of_bullmq("attendance-queue")

    @override
    def api(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return [_node(), str(NODE / "api.js")], self.environment

    @override
    def worker(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return [_node(), str(NODE / "worker.js")], self.environment


class PythonPeer(Peer):
    """A queue for Python without an API. A script enqueues the work."""

    program: str
    arguments: Sequence[str] = ()
    enqueues: Sequence[str]

    @override
    def api(self) -> tuple[Sequence[str], Mapping[str, str]]:
        raise NotImplementedError

    @override
    def worker(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return [python_program(self.program), *self.arguments], self.environment

    def enqueue(self, classes: int) -> None:
        """Enqueues all classes of the first day."""
        command = [python_program("python"), str(PYTHON / self.enqueues[0]), *self.enqueues[1:], str(classes)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-1000:])

    @override
    @contextmanager
    def with_worker(self) -> Generator[None]:
        """Yields as soon as the process is started, without a ready message. Measuring begins with the first record."""
        command, environment = self.worker()
        with self._process("worker", command, environment, None):
            yield


class OnBullmq(PythonPeer):
    name = "bullmq"
    fixed = of_bullmq("attendance-queue")
    program, arguments, enqueues = "python", (str(PYTHON / "on_bullmq.py"), "work"), ("on_bullmq.py", "enqueue")


class OnTaskiq(PythonPeer):
    name = "taskiq"
    fixed = ("taskiq",)  # its stream keeps finished messages
    program, enqueues = "taskiq", ("on_taskiq.py",)
    arguments = ("worker", "--workers", "1", "--max-async-tasks", "100", "--log-level", "WARNING", "on_taskiq:broker")


class OnCelery(PythonPeer):
    name = "celery"
    fixed = tuple(f"_kombu.{name}" for name in BINDINGS)
    program, enqueues = "celery", ("on_celery.py",)
    arguments = ("-A", "on_celery", "worker", "-c", "2", "-P", "prefork", "-l", "ERROR")


PYTHON_PEERS: Sequence[type[PythonPeer]] = (OnBullmq, OnTaskiq, OnCelery)


def _node() -> str:
    found = shutil.which("node")
    assert found is not None
    return found
