"""Runs tests in several processes: `-n 6`. They are forked when all tests are collected, which happens only once.

The first process hands out the tests and shows their reports. A process that ends early fails the test that it ran, and
another one continues.
"""

from __future__ import annotations

import os
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest

FORK = get_context("fork")
# A process receives at most this part of its share of the remaining tests, so that all end at the same time.
PART = 1 / 2
STOP_S = 20


class Hooks:
    """The hooks that other plugins can implement."""

    def pytest_forked_finish(self) -> None:
        """Called in each forked process after its last test."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("processes")
    options = {"dest": "processes", "type": int, "default": 1, "metavar": "N", "help": "run tests in N processes"}
    group._addoption("-n", **options)  # pyright: ignore[reportPrivateUsage] - `addoption` reserves lower case


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Runs the tests, unless pytest's own loop can."""
    option = session.config.option
    processes = min(option.processes, len(session.items))
    if processes < 2 or session.testsfailed or option.collectonly or option.usepdb:
        return None
    _Run(session, processes).run()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


@dataclass(eq=False)
class _Worker:
    """A forked process. `assigned`: tests for it alone. `sent`: the one that it runs, then the one after."""

    process: ForkProcess
    assigned: deque[int] = field(default_factory=deque[int])
    sent: deque[int] = field(default_factory=deque[int])
    has_all: bool = False
    error: str = ""


class _Run:
    """The first process. It names tests by their place in `session.items`."""

    def __init__(self, session: pytest.Session, processes: int) -> None:
        self._session = session
        self._processes = processes
        self._hook: Any = session.config.hook
        self._remaining = deque(range(len(session.items)))
        self._workers: dict[Connection, _Worker] = {}
        self._started = 0

    def run(self) -> None:
        terminal: Any = self._session.config.pluginmanager.getplugin("terminalreporter")
        terminal.showfspath = False
        try:
            for _ in range(self._processes):
                self._start()
            while self._workers:
                for connection in wait(list(self._workers)):
                    assert isinstance(connection, Connection)
                    self._receive(connection)
        finally:
            for connection, worker in self._workers.items():
                connection.close()
                worker.process.join(STOP_S)
                worker.process.kill()

    def _start(self) -> None:
        config: Any = self._session.config
        config.get_terminal_writer().flush()
        self._started += 1
        folder = config._tmp_path_factory.mktemp(f"process-{self._started}", numbered=False)
        ends: Any = FORK.Pipe()
        ours, theirs = ends
        process = FORK.Process(target=_work, args=(self._session, folder, theirs, [ours, *self._workers]))
        process.start()
        theirs.close()
        self._workers[ours] = worker = _Worker(process)
        for _ in range(2):
            self._send_next(ours, worker)

    def _send_next(self, connection: Connection, worker: _Worker) -> None:
        if worker.has_all:
            return
        if not worker.assigned and not self._session.shouldfail and not self._session.shouldstop:
            worker.assigned = self._take()
        worker.has_all = not worker.assigned
        if not worker.has_all:
            worker.sent.append(worker.assigned.popleft())
        with suppress(ConnectionError):  # the process has ended, which the next `recv` shows
            connection.send(None if worker.has_all else worker.sent[-1])

    def _take(self) -> deque[int]:
        """The next tests, all of one file, since they may share fixtures."""
        taken, items = deque[int](), self._session.items
        most = max(1, int(len(self._remaining) / self._processes * PART))
        while self._remaining and len(taken) < most:
            if taken and items[self._remaining[0]].path != items[taken[0]].path:
                break
            taken.append(self._remaining.popleft())
        return taken

    def _receive(self, connection: Connection) -> None:
        worker = self._workers[connection]
        try:
            message = connection.recv()
        except (EOFError, ConnectionError):
            del self._workers[connection]
            self._end(worker)
            return
        match message:
            case None:
                ended = self._session.items[worker.sent.popleft()]
                self._hook.pytest_runtest_logfinish(nodeid=ended.nodeid, location=ended.location)
                self._send_next(connection, worker)
            case str():
                worker.error += message
            case _:
                self._show(self._hook.pytest_report_from_serializable(config=self._session.config, data=message))

    def _end(self, worker: _Worker) -> None:
        """If the process ran a test, fails this test, and starts another process for the tests after it."""
        worker.process.join()
        reason = worker.error or _reason(worker.process.exitcode)
        if not worker.sent:
            if worker.error or worker.process.exitcode:
                raise RuntimeError(f"after the last test of a process: {reason}")
            return
        failed = self._session.items[worker.sent.popleft()]
        self._show(pytest.TestReport(failed.nodeid, failed.location, {}, "failed", reason, "call"))
        self._remaining.extendleft(reversed([*worker.sent, *worker.assigned]))
        self._start()

    def _show(self, report: pytest.TestReport) -> None:
        self._hook.pytest_runtest_logreport(report=report)


def _reason(status: int | None) -> str:
    """The reason of an end for which there is no traceback, since no exception caused it."""
    hung = "; faulthandler ends a test so that hangs, and writes its stack to stderr" if status == 1 else ""
    return f"the process ended with status {status}{hung}"


def _work(session: pytest.Session, folder: Path, connection: Connection, others: Sequence[Connection]) -> None:
    """The work of a forked process: runs tests until there are no more, or the first process has ended.

    Whatever ends it early is sent to the first process: its own output is captured, and lost with it.
    """
    for other in others:
        other.close()
    _separate(session.config, folder)
    session.config.pluginmanager.register(_Sender(session.config, connection))
    steps: Sequence[Callable[[], object]] = (
        lambda: _run_received(session, connection),
        # Keeps the measurement of the tests that have run, also if the process ends early.
        session.config.hook.pytest_forked_finish,
        lambda: session._setupstate.teardown_exact(None),  # pyright: ignore[reportPrivateUsage]
    )
    for step in steps:
        try:
            step()
        except (EOFError, ConnectionError):
            pass  # the first process has ended, or ends
        except BaseException:  # noqa: BLE001 - the first process shows it
            with suppress(ConnectionError):
                connection.send(traceback.format_exc())


def _run_received(session: pytest.Session, connection: Connection) -> None:
    current: int | None = connection.recv()
    while current is not None:
        following: int | None = connection.recv()
        next_item = None if following is None else session.items[following]
        session.config.hook.pytest_runtest_protocol(item=session.items[current], nextitem=next_item)
        connection.send(None)
        current = following


def _separate(config: Any, folder: Path) -> None:
    """Gives the process its own captured output and temporary folder, and leaves the terminal to the first one."""
    config.get_terminal_writer()._file = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the end
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    config._tmp_path_factory._basetemp = folder


class _Sender:
    """Sends the reports of a forked process."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        self._connection.send(hook.pytest_report_to_serializable(config=self._config, report=report))
