"""Clients that others generate from the OpenAPI description: without a warning, and they mark a class."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.commands import Commands
from tests.support.forked import Forked
from tests.support.live import ROOT, serving
from tests.support.node import FOLDER, NODE, install_packages
from tests.support.servers.processes import START_S, wait_until

DESCRIPTION: Final = ROOT / "docs" / "openapi.json"
OPTIONS: Final = ROOT / "examples" / "openapi-python-client.yaml"
PACKAGES: Final = FOLDER / "node_modules"
# Without it, fields that have a default would be required in requests.
OF_TYPES: Final = ("--default-non-nullable=false",)
NAME: Final = "generated_adsum"
BODY: Final = {
    "classId": 123,
    "sessionId": 456,
    "learningDate": "2024-12-25T00:00:00.000Z",
    "isSelectedAll": True,
    "selectedStudentIds": [1, 2, 3],
    "unselectedStudentIds": [4, 5],
}
PROGRAM: Final = """
import type { operations, paths } from "./adsum";

type Create = paths["/attendances/create-batch"]["post"];
const body: Create["requestBody"]["content"]["application/json"] = {
  classId: 123,
  sessionId: 456,
  learningDate: "2024-12-25T00:00:00.000Z",
  isSelectedAll: true,
  unselectedStudentIds: [4, 5],
  marks: [{ studentId: 6, status: "late", arrivedAt: "08:10" }],
};
type Status = operations["getBatchStatus"]["responses"][200]["content"]["application/json"];
const isOver = (status: Status): boolean => status.state !== "processing" && status.progress === 100;
type Event = operations["listEvents"]["responses"][200]["content"]["application/json"]["items"][number];
const recorded = (event: Event): number => (event.type === "batch.completed" ? event.data.recordedJobs : 0);
// @ts-expect-error: no field has this name
const wrong: Create["requestBody"]["content"]["application/json"] = { ...body, class: 123 };
export { body, isOver, recorded, wrong };
"""


def output_of(*command: str | Path, **variables: str) -> str:
    """Runs a command that succeeds. Returns what it writes, to stderr, too."""
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def generated(tmp_path: Path) -> Generator[str]:
    """The output of the generator. The client can be imported under `NAME`."""
    options = ("--path", DESCRIPTION, "--output-path", tmp_path / NAME, "--meta", "none", "--config", OPTIONS)
    # The generator formats the client with ruff, which it finds on PATH.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = output_of(sys.executable, "-m", "openapi_python_client", "generate", *options, PATH=programs)
    sys.path.insert(0, str(tmp_path))
    try:
        yield output
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]


def module(name: str) -> Any:
    return importlib.import_module(f"{NAME}.{name}")


@pytest.mark.long
def test_a_generated_python_client_marks_a_class(
    generated: str, tmp_path: Path, demo: Commands, demo_worker: Forked
) -> None:
    assert generated.splitlines() == [f"Generating {tmp_path / NAME}"]
    token = demo.output("token", "create", "admin@school.example").strip()
    with serving(demo.settings["database_url"], demo.settings["redis_url"]) as live:
        client = module("client").AuthenticatedClient(base_url=f"http://127.0.0.1:{live.port}", token=token)
        with client:
            body = module("models.create_batch").CreateBatch.from_dict(BODY)
            result = module("api.batches.create_batch").sync(client=client, body=body)
            assert (result.batch_id, result.added_jobs) == ("class-123-session-456-date-25122024", 30)

            def status() -> Any:
                return module("api.batches.get_batch_status").sync(result.batch_id, client=client)

            wait_until(lambda: status().is_completed, START_S, "the batch is complete")
            assert (status().progress, status().recorded_jobs, status().state) == (100, 30, "completed")

            wrong = module("models.create_batch").CreateBatch.from_dict(BODY | {"unselectedStudentIds": [4, 4]})
            problem = module("api.batches.create_batch").sync(client=client, body=wrong)
            assert (problem.code, [each.code for each in problem.errors]) == ("invalid", ["student_repeated"])


@pytest.mark.long
def test_generated_types_of_typescript_compile(tmp_path: Path) -> None:
    install_packages()
    types, program = tmp_path / "adsum.ts", tmp_path / "program.ts"

    output = output_of(NODE, PACKAGES / "openapi-typescript" / "bin" / "cli.js", DESCRIPTION, "-o", types, *OF_TYPES)
    program.write_text(PROGRAM, encoding="utf-8")
    errors = output_of(
        NODE, PACKAGES / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck", "false", program
    )

    assert "warn" not in output.lower()
    assert errors == ""
