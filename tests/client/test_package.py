"""The client as a package: its imports, its documentation, and its knowledge of the API."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx2
import pytest

import adsum.client
from adsum.client import (
    AsyncClient,
    BatchJob,
    BatchResult,
    BatchStatus,
    BatchWarning,
    Client,
    Correction,
    MarkConflict,
    NewBatch,
    Record,
    Retries,
    StudentMark,
    Violation,
)
from adsum.client.calls import any_call
from tests.client.system import Caller, System
from tests.platform.http.test_idempotency import WITHOUT_KEY
from tests.support.commands import Commands
from tests.support.forked import Forked
from tests.support.live import serving

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/how-to/connect-a-platform.md"
REFERENCE = (ROOT / "docs/reference/client.md").read_text(encoding="utf-8")
VALUES = (NewBatch, StudentMark, BatchResult, MarkConflict, BatchWarning, BatchStatus, BatchJob, Record)
# httpx2 and what it requires.
ALLOWED = ("adsum", "httpx2", "httpcore2", "anyio", "h11", "idna", "truststore", "typing_extensions")
ALONE = f"""
import sys

class OnlyAllowed:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        is_there = first in sys.stdlib_module_names or first in {ALLOWED}
        return self.finder.find_spec(name, path, target) if is_there else None

    def __getattr__(self, name):  # importlib.metadata asks finders, too
        return getattr(self.finder, name)

sys.meta_path = [OnlyAllowed(finder) for finder in sys.meta_path]
"""
PLACEHOLDER = re.compile(r"\{\w+\}")


def run_alone(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a Python that has httpx2 and the source of Adsum, and nothing else."""
    given = {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error", **environment}
    return subprocess.run(
        [sys.executable, "-c", ALONE + script], env=given, capture_output=True, text=True, check=False
    )


def examples(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.+?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def listed(name: str) -> list[str]:
    """The fields in the row of a value."""
    (row,) = re.findall(rf"^\| `{name}` \| (.+) \|$", REFERENCE, re.MULTILINE)
    return re.findall(r"`(\w+)[^`]*`", re.split("[;:]", row)[0])


def test_the_client_imports_httpx2_and_nothing_of_the_server() -> None:
    script = """
import adsum.client
adsum.client.Client("http://127.0.0.1", token="t").close()
adsum.client.AsyncClient("http://127.0.0.1", token="t")
print(sorted(name for name in sys.modules if name.startswith("adsum.") and not name.startswith("adsum.client")))
"""
    ended = run_alone(script)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_httpx2_is_the_only_dependency_and_the_server_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [re.split("[>=]", each)[0] for each in project["dependencies"]] == ["httpx2"]
    assert any(each.startswith("fastapi") for each in project["optional-dependencies"]["server"])


def test_the_command_without_the_server_says_what_is_missing() -> None:
    ended = run_alone("from adsum.__main__ import main; main()")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("adsum: only the client is installed.")


def arguments_of(kind: type) -> dict[str, list[str]]:
    """The names of the arguments of each public method, and of `__init__`."""
    methods = {name: each for name, each in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in {**methods, "__init__": vars(kind)["__init__"]}.items()
    }


def test_both_clients_have_the_same_methods_with_the_same_arguments_and_defaults() -> None:
    assert arguments_of(Client) == arguments_of(AsyncClient)
    for name in arguments_of(Client):
        blocking, asynchronous = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        defaults = [[each.default for each in given.parameters.values()] for given in (blocking, asynchronous)]
        assert defaults[0] == defaults[1], name


def test_the_reference_has_every_public_name_and_no_other() -> None:
    named = re.findall(r"^\| `([A-Z]\w+|verify_\w+)[^`]*` \|", REFERENCE, re.MULTILINE)
    assert sorted([*named, "Client", "AsyncClient"]) == sorted(adsum.client.__all__)


def test_the_reference_has_every_method_with_its_arguments() -> None:
    shown = dict(re.findall(r"^\| `([a-z]\w+)\((.*)\)` \|", REFERENCE, re.MULTILINE))
    shown["__init__"] = re.findall(r"^    Client\((.*)\)$", REFERENCE, re.MULTILINE)[0]
    documented = {name: re.findall(r"(\w+)(?:=[^,]+)?(?:,|$)", arguments) for name, arguments in shown.items()}
    verify = list(inspect.signature(adsum.client.verify_webhook).parameters)
    assert documented == {name: names for name, (_, *names) in arguments_of(Client).items()} | {
        "verify_webhook": verify
    }


@pytest.mark.parametrize("value", [*VALUES, Retries, Violation], ids=lambda value: value.__name__)
def test_the_reference_has_every_field_of_a_value(value: type) -> None:
    assert listed(value.__name__) == [field.name for field in fields(value)]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (NewBatch, "CreateBatch"),
        (StudentMark, "RequestedMark"),
        (BatchResult, "BatchAnswer"),
        (MarkConflict, "ConflictOfMarks"),
        (BatchWarning, "Warned"),
        (BatchStatus, "BatchStatusAnswer"),
        (BatchJob, "JobItem"),
        (Record, "RecordItem"),
    ],
)
def test_a_value_has_the_fields_of_the_api(value: type, schema: str) -> None:
    schemas: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))["components"][
        "schemas"
    ]
    named = {re.sub(r"_(\w)", lambda match: match[1].upper(), field.name) for field in fields(value)}
    assert named == schemas[schema]["properties"].keys()
    corrected = schemas["CorrectRecord"]["properties"].keys()
    assert corrected == Correction.__annotations__.keys() == set(listed("Correction"))


def test_a_post_without_a_key_is_repeated_only_if_that_has_no_other_effect_or_answer() -> None:
    once = {
        path for path in WITHOUT_KEY if not any_call("POST", PLACEHOLDER.sub("7", path), None, None, None).is_repeatable
    }
    harmless = ("changes nothing", "a repetition has the same effect")
    assert {path for path, reason in WITHOUT_KEY.items() if reason not in harmless} <= once
    assert not {path for path, reason in WITHOUT_KEY.items() if reason == "changes nothing"} & once
    assert any_call("POST", "/covers", None, {}, None).is_repeatable
    assert any_call("DELETE", "/keys/7", None, None, None).is_repeatable


def test_a_client_of_yours_stays_open(system: System, caller: Caller) -> None:
    with httpx2.Client() as http:
        with Client(system.address, api_key=caller.key, http=http) as client:
            assert client.request("GET", "/version")
        assert not http.is_closed
    with Client(system.address, api_key=caller.key) as client:
        assert client.request("GET", "/version")
    with pytest.raises(RuntimeError, match="closed"):
        client.request("GET", "/version")


async def test_an_asynchronous_client_of_yours_stays_open(system: System, caller: Caller) -> None:
    async with httpx2.AsyncClient() as http:
        async with AsyncClient(system.address, api_key=caller.key, http=http) as client:
            assert await client.request("GET", "/version")
        assert not http.is_closed
    async with AsyncClient(system.address, api_key=caller.key) as client:
        assert await client.request("GET", "/version")
    with pytest.raises(RuntimeError, match="closed"):
        await client.request("GET", "/version")


def test_the_examples_work_without_the_server_s_packages(demo: Commands, demo_worker: Forked) -> None:
    token = demo.output("token", "create", "admin@school.example").strip()
    permissions = ("attendance:create", "attendance:read", "batch:read", "roster:read")
    options = [part for each in permissions for part in ("--permission", each)]
    shown = demo.output("key", "create", "platform", *options, "--school", "1")
    (key,) = re.findall(r"adsum_\S+", shown)
    settings = demo.settings
    with serving(settings["database_url"], settings["redis_url"]) as live:
        for page in (ROOT / "README.md", GUIDE):
            script = re.sub(
                r"http://127\.0\.0\.1:8000|https://adsum\.school\.example",
                f"http://127.0.0.1:{live.port}",
                examples(page),
            )
            ended = run_alone(script, TOKEN=token, ADSUM_API_KEY=key)
            assert (ended.returncode, ended.stderr) == (0, "")
            if page is not GUIDE:
                assert ended.stdout == "Recorded: 30, failed: 0\n"
    assert "/selectedStudentIds/1 " in ended.stdout
    assert "100 %, 0 remain" in ended.stdout
    assert "6 bus" in ended.stdout
