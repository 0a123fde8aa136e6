from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Literal

import pytest
from structlog.contextvars import bound_contextvars
from structlog.stdlib import ProcessorFormatter

import adsum
from adsum.platform.settings import Settings
from adsum.platform.telemetry import ENTRIES, FIELDS, OWN_LOGGERS, LogIcon, configure_logs, logger

LOGGING = {f"log.{level}" for level in ("debug", "info", "warning", "error", "exception")}

Written = Callable[[], str]
"""The output on stderr since the previous call."""


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Written]:
    """Captures stderr with the logging of the test, and restores the logging afterwards."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in OWN_LOGGERS)]
    before = [each.level for each in loggers]
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    yield lambda: capsys.readouterr().err
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, ProcessorFormatter)]:
        root.removeHandler(handler)
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)
    logging.captureWarnings(capture=False)


def json_lines(written: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.splitlines()]


def test_every_field_of_a_line_is_written() -> None:
    unknown = [
        f"{path.name}:{call.lineno} {field.arg}"
        for path in Path(adsum.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in LOGGING
        for field in call.keywords
        if field.arg is not None and field.arg not in FIELDS
    ]
    assert unknown == []


def test_a_console_line_starts_with_its_icon(stderr: Written) -> None:
    configure_logs(Settings())
    log = logger("adsum.test")
    for mark in LogIcon:
        log.info("batch locked", mark=mark, batch_id="class-1-session-2-date-25122024")
    written = stderr()
    lines = written.splitlines()
    assert [line[0] for line in lines] == ["🔐", "🔄", "📊", "🎉", "❌"]
    assert all("batch locked" in line and "batch_id=class-1-session-2" in line for line in lines)
    assert "\x1b" not in written


def test_in_json_the_icon_is_the_field_mark(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    with bound_contextvars(request_id="trace-7"):
        logger("adsum.test").warning("batch 100 % locked", mark=LogIcon.LOCK, jobs=30)
    (line,) = json_lines(stderr())
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "batch 100 % locked",
        "level": "warning",
        "logger": "adsum.test",
        "mark": "🔐",
        "jobs": 30,
        "request_id": "trace-7",
    }


def test_unknown_fields_are_dropped_and_named(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    logger("adsum.test").info("recorded", student_name="Ada", note="ill", token="t", student_id=7)
    written = stderr()
    (line,) = json_lines(written)
    assert line["dropped"] == ["note", "student_name", "token"]
    assert line["student_id"] == 7
    assert "Ada" not in written


def test_an_exception_is_logged_by_types_and_lines_without_its_text(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    for log in (logger("adsum.test"), logging.getLogger("uvicorn.error")):
        try:
            fail_because_of_another_failure()
        except LookupError:
            log.exception("a job failed")
    written = stderr()
    lines = json_lines(written)
    assert [line["error"] for line in lines] == ["LookupError from JSONDecodeError"] * 2
    assert all("test_telemetry.py" in str(line["where"]) for line in lines)
    assert "Ada" not in written


def fail_because_of_another_failure() -> None:
    try:
        json.loads("Ada")
    except ValueError as error:
        raise LookupError("Ada was ill") from error


def test_other_libraries_log_warnings_with_their_first_line(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    logging.getLogger("bullmq").info("did something")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=Ada()>")
    (line,) = json_lines(stderr())
    assert (line["event"], line["logger"]) == ("Task exception was never retrieved", "asyncio")


def test_the_level_is_the_one_of_the_settings(stderr: Written) -> None:
    configure_logs(Settings(log_level="ERROR"))
    logger("adsum.test").warning("not now")
    logging.getLogger("asyncio").warning("not now")
    logger("adsum.test").error("now")
    logger(ENTRIES).info("an entry of the audit log is written at every level")
    assert len(stderr().splitlines()) == 2


def test_without_configuration_the_hosts_logging_applies(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "adsum.test"):
        logger("adsum.test").info("recorded", jobs=30)
    assert [(record.message, vars(record)["jobs"]) for record in caplog.records] == [("recorded", 30)]


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_value_cannot_begin_a_line_of_its_own(stderr: Written, form: Literal["console", "json"]) -> None:
    configure_logs(Settings(log_format=form))
    logger("adsum.test").warning("refused", error="away\n10:00:00 [info] signed in actor=admin\r\x1b[2J")
    written = stderr()
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written
