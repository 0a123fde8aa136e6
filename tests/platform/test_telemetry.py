from __future__ import annotations

import ast
import json
import logging
import re
import traceback
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from structlog.dev import ConsoleRenderer
from structlog.processors import TimeStamper
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict
from typing_extensions import override

import adsum
from adsum.platform.settings import Settings
from adsum.platform.telemetry import (
    ENTRIES,
    FIELDS,
    OWN_LOGGERS,
    LogIcon,
    colours_wanted,
    configure_logs,
    logged_with,
    logger,
)
from adsum.platform.texts import readable

OF_EVERY_LINE = {"event", "level", "logger", "timestamp"}
LOGGING = {f"log.{level}" for level in ("debug", "info", "warning", "error", "exception")}

Written = Callable[[], str]
"""The output on stderr since the previous call."""


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Written]:
    """Captures stderr with the logging of the test, and restores the logging afterwards."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in OWN_LOGGERS)]
    before = [each.level for each in loggers]
    handlers = list(root.handlers)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    yield lambda: capsys.readouterr().err
    for handler in [handler for handler in root.handlers if handler not in handlers]:
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
        if re.search(r"\blog\.", source := path.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(source))
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
    with logged_with({"request_id": "trace-7"}):
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
@pytest.mark.parametrize("separator", ["\n", "\r", "\v", "\x1c", "\x1b[2J", "\x85", "\u2028", "\u2029", "\u202e"])
def test_a_value_cannot_begin_a_line_of_its_own(
    stderr: Written, form: Literal["console", "json"], separator: str
) -> None:
    configure_logs(Settings(log_format=form))
    text = f"away{separator}signed-in"
    fields = dict.fromkeys(FIELDS - OF_EVERY_LINE - {"mark"}, text)
    logger("adsum.test").warning("refused", **fields)
    logger("adsum.test").warning("refused", error=f"{text} actor=admin", before={text: [text]})
    logger("adsum.test").warning(text.replace("\n", " "))
    for value in (text, Shown(text), [Shown(text)]):
        logging.getLogger("asyncio").warning("refused", extra=dict.fromkeys(FIELDS, value))
    written = stderr()
    assert len(written.splitlines()) == 6
    assert readable(written) == written


class Shown:
    """An object that is shown as a text, as those of other libraries are."""

    def __init__(self, text: str) -> None:
        self._text = text

    @override
    def __repr__(self) -> str:
        return self._text


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_record_of_another_library_cannot_replace_what_every_line_says(
    stderr: Written, form: Literal["console", "json"]
) -> None:
    configure_logs(Settings(log_format=form))
    odd = {"event": "one\nAda Byron", "level": "Ada", "logger": "Ada", "timestamp": "Ada", "jobs": 3}
    logging.getLogger("asyncio").warning("away", extra=odd)
    written = stderr()
    assert "away" in written
    assert "warning" in written
    assert "3" in written
    assert "Ada" not in written


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("exc_info", [True, 1, (), (None, None, None), ("Ada",)])
def test_a_record_of_another_library_without_an_exception_is_written(
    stderr: Written, form: Literal["console", "json"], exc_info: object
) -> None:
    configure_logs(Settings(log_format=form))
    write_odd_record(exc_info)
    assert "away" in (written := stderr())
    assert len(written.splitlines()) == 1
    assert "where" not in written


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_exception_that_another_library_puts_into_its_record_is_described(
    stderr: Written, form: Literal["console", "json"]
) -> None:
    configure_logs(Settings(log_format=form))
    try:
        fail_because_of_another_failure()
    except LookupError as error:
        write_odd_record(error)
    assert "LookupError from JSONDecodeError" in (written := stderr())
    assert len(written.splitlines()) == 1
    assert "Ada" not in written


def write_odd_record(exc_info: object) -> None:
    """Writes a record that was not made by `logging`, which makes a tuple of what it is given."""
    record = logging.LogRecord("other", logging.WARNING, "", 0, "away", (), None)
    vars(record)["exc_info"] = exc_info
    handle_odd_record(record)


def handle_odd_record(record: logging.LogRecord) -> None:
    logging.getLogger().handlers[-1].handle(record)  # not those of pytest, which fail at such records


class Unprintable:
    """An object that cannot be shown as a text."""

    @override
    def __str__(self) -> str:
        raise LookupError("Ada")


UNRENDERABLE = {
    "too few": ("%d of %d", (1,)),
    "too many": ("%d of 2", (1, "Ada")),
    "of another type": ("%d of 2", ("Ada",)),
    "without the name": ("%(jobs)d of 2", ({"Ada": 1},)),
    "unprintable": ("%s of 2", (Unprintable(),)),
}


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("case", UNRENDERABLE)
def test_a_record_of_another_library_that_cannot_be_rendered_is_one_line_that_says_so(
    stderr: Written, form: Literal["console", "json"], case: str
) -> None:
    configure_logs(Settings(log_format=form))
    message, args = UNRENDERABLE[case]
    handle_odd_record(logging.LogRecord("other", logging.WARNING, "/x/site-packages/lib/a.py", 7, message, args, None))
    (line,) = (written := stderr()).splitlines()
    assert f"cannot write a log record: {message}" in line
    assert "lib/a.py:7" in line
    assert "warning" in line
    assert not {"Ada", "Traceback", "site-packages"} & set(re.findall(r"[\w-]+", written))


def test_a_field_that_json_cannot_hold_does_not_lose_the_message(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    odd = logging.LogRecord("other", logging.ERROR, "a.py", 7, "away\nAda", (), None)
    vars(odd)["jobs"] = {("Ada", 1): 2}
    handle_odd_record(odd)
    (line,) = json_lines(stderr())
    del line["timestamp"]
    event = "cannot write a log record: away"
    assert line == {"event": event, "level": "error", "logger": "other", "error": "TypeError", "where": ["a.py:7"]}


def test_a_block_adds_its_fields_to_those_of_the_block_around_it(stderr: Written) -> None:
    configure_logs(Settings(log_format="json"))
    with logged_with({"request_id": "r", "actor": "a"}):
        with logged_with({"trace_id": "t", "actor": "b"}):
            logger("adsum.test").info("inner")
        logger("adsum.test").info("outer")
    inner, outer = json_lines(stderr())
    assert (inner["request_id"], inner["trace_id"], inner["actor"]) == ("r", "t", "b")
    assert (outer["request_id"], outer.get("trace_id"), outer["actor"]) == ("r", None, "a")


@pytest.mark.parametrize("colours", ["", "1"])
@pytest.mark.parametrize("form", ["console", "json"])
def test_lines_are_those_of_structlog(
    stderr: Written, monkeypatch: pytest.MonkeyPatch, form: Literal["console", "json"], colours: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", colours)
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure_logs(Settings(log_format=form, log_level="DEBUG"))
    ours = next(each for each in reversed(logging.getLogger().handlers) if each.formatter is not None)
    records: list[logging.LogRecord] = []
    ours.addFilter(lambda record: records.append(record) is None)
    write_all_kinds_of_lines()
    reference = structlog_formatter(form)
    lines = stderr().splitlines()
    assert len(lines) == len(records) == 9
    assert [without_time(line) for line in lines] == [without_time(reference.format(each)) for each in records]


def write_all_kinds_of_lines() -> None:
    log, other = logger("adsum.test"), logging.getLogger("asyncio")
    with logged_with({"request_id": "trace-7"}):
        log.debug("looked up", ms=5.25, seconds=None, jobs=30)
        log.info("batch locked", mark=LogIcon.LOCK, batch_id="class-1", student_ids=[1, 2], error='a "b" = c\n\t')
        log.warning("100 % of\nlines", request_id="other", address="", before={"a": [1, None]}, imported=True)
        log.error("Zoë, 日本", at=datetime(2024, 12, 25, tzinfo=UTC), note="ill")
    try:
        fail_because_of_another_failure()
    except LookupError:
        log.exception("a job failed", mark=LogIcon.ERROR, error="not this")
        other.exception("a task failed")
    other.error("nothing failed", exc_info=(None, None, None))
    other.warning("%s of %d\nfuture: <Task>", "one", 2, extra={"jobs": 3, "unknown": 4}, stack_info=True)
    other.critical("away")


def structlog_formatter(form: Literal["console", "json"]) -> ProcessorFormatter:
    """The processors of structlog that wrote the lines before. Fields are in the order in which they were logged."""

    def describe(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.pop("stack_info", None)
        error = (event.pop("exc_info", None) or (None, None))[1]
        if error is not None:
            event["error"] = f"{type(error).__name__} from {type(error.__cause__).__name__}"
            event["where"] = [
                f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
        return event

    kept = FIELDS | {"exc_info"}

    def only_known(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["event"] = event["event"].partition("\n")[0]
        return {name: value for name, value in event.items() if name in kept or name.startswith("_")}

    def console(_logger: object, _method: str, event: EventDict) -> str:
        mark, _ = event.pop("mark", None), event.pop("logger")
        line = str(ConsoleRenderer(colors=colours_wanted(), pad_event_to=0)(_logger, _method, event))
        return f"{mark} {line}" if mark else line

    def to_json(_logger: object, _method: str, event: EventDict) -> str:
        return json.dumps(event, ensure_ascii=False, default=str)

    stamp = TimeStamper(fmt="%H:%M:%S" if form == "console" else "iso", utc=form == "json")
    chain = [add_log_level, add_logger_name, stamp, ExtraAdder(), only_known, describe]
    last = console if form == "console" else to_json
    return ProcessorFormatter(foreign_pre_chain=chain, processors=[ProcessorFormatter.remove_processors_meta, last])


def without_time(line: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d(\.\d+)?", "TIME", line)
