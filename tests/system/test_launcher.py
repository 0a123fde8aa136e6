"""The launcher `./adsum`, on a copy that installs two small packages from a folder, without a network."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.shared import made_once

LAUNCHER = Path(__file__).parents[2] / "adsum"
# The Python of which the test's environment was made. It usually has a pip, with cached bytecode; the environment has
# none, and installing one takes longer than everything else in these tests.
BASE = str(getattr(sys, "_base_executable", sys.executable))
MAIN = 'import sys, small, tiny\nprint("started with", *sys.argv[1:], "and tiny", tiny.VERSION)\n'


class Clone:
    """A copy of the launcher with a small replacement for Adsum."""

    def __init__(self, root: Path, wheels: Path, *, tool: str) -> None:
        self.root = root
        self.wheels = wheels
        self.programs = _only(tool, root.parent)
        self.python = BASE
        (root / "src" / "adsum").mkdir(parents=True)
        (root / "src" / "adsum" / "__init__.py").touch()
        (root / "src" / "adsum" / "__main__.py").write_text(MAIN)
        (root / "tests").mkdir()
        (root / "tests" / "gates.py").write_text('import sys, tiny\nprint("gates with", *sys.argv[1:])\n')
        (root / "requirements").mkdir()
        for kind in ("runtime", "development"):
            self.require("1.0", kind)
        shutil.copy(LAUNCHER, root / "adsum")

    def require(self, version: str, kind: str = "runtime") -> None:
        text = f"# {kind}\n"
        for name in ("small", "tiny"):  # with pip, each by a process of its own
            digest = hashlib.sha256(_wheel(self.wheels, name, version).read_bytes()).hexdigest()
            text += f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via adsum\n"
        (self.root / "requirements" / f"{kind}.txt").write_text(text)

    def pretend_that_python_is_old(self) -> None:
        text = LAUNCHER.read_text(encoding="utf-8")
        (self.root / "adsum").write_text(text.replace("if sys.version_info < (3, 11):", "if True:"), encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "COV_"))},
            "PATH": str(self.programs),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "PYTHONPATH": "/nowhere",
        }
        command = [self.python, str(self.root / "adsum"), *arguments]
        return subprocess.Popen(
            command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=60)
            return process.returncode, output.strip(), errors.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "wheels").mkdir()
    return Clone(tmp_path / "clone", tmp_path / "wheels", tool="uv" if shutil.which("uv") else "pip")


@pytest.fixture(scope="module")
def started_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "started", _start_once) / "clone"


def _start_once(folder: Path) -> None:
    folder.mkdir()
    (folder / "wheels").mkdir()
    clone = Clone(folder / "clone", folder / "wheels", tool="uv" if shutil.which("uv") else "pip")
    assert clone.run("first")[0] == 0


@pytest.fixture
def started_clone(clone: Clone, started_before: Path) -> Clone:
    """A clone that was started once. Copying it is faster than starting a new one."""
    shutil.rmtree(clone.root)
    shutil.copytree(started_before, clone.root, symlinks=True)
    return clone


@pytest.fixture(params=["pip", "uv"])
def clone_for_each_tool(tmp_path: Path, request: pytest.FixtureRequest) -> Clone:
    if request.param == "uv" and shutil.which("uv") is None:
        pytest.skip("uv is not on this machine")
    (tmp_path / "wheels").mkdir()
    return Clone(tmp_path / "clone", tmp_path / "wheels", tool=request.param)


@pytest.mark.long
def test_the_environment_is_built_once_kept_up_to_date_and_survives_a_move(clone_for_each_tool: Clone) -> None:
    clone = clone_for_each_tool
    status, output, errors = clone.run("batch", "--all")
    assert (status, output) == (0, "started with batch --all and tiny 1.0")
    assert "adsum: making .venv" in errors

    assert clone.run("again") == (0, "started with again and tiny 1.0", "")

    clone.root = clone.root.rename(clone.root.with_name("moved"))
    assert clone.run("moved") == (0, "started with moved and tiny 1.0", "")

    clone.require("2.0")
    status, output, errors = clone.run("newer")
    assert (status, output) == (0, "started with newer and tiny 2.0")
    assert "adsum: making .venv" not in errors


@pytest.mark.long
def test_an_interrupted_installation_is_repeated(started_clone: Clone) -> None:
    clone = started_clone
    (clone.root / ".venv" / "adsum-stamp.json").unlink()
    (clone.root / ".venv" / "adsum-unfinished").touch()
    next((clone.root / ".venv").glob("lib/*/site-packages/tiny.py")).unlink()

    status, output, _ = clone.run("second")

    assert (status, output) == (0, "started with second and tiny 1.0")


@pytest.mark.long
def test_an_environment_whose_python_is_missing_is_rebuilt(started_clone: Clone) -> None:
    clone = started_clone
    (clone.root / ".venv" / "bin" / "python").unlink()

    status, output, _ = clone.run("second")

    assert (status, output) == (0, "started with second and tiny 1.0")


@pytest.mark.long
def test_a_failed_installation_shows_why_and_the_next_start_repairs_it(clone_for_each_tool: Clone) -> None:
    clone = clone_for_each_tool
    requirements = clone.root / "requirements" / "runtime.txt"
    right = requirements.read_text()
    requirements.write_text(re.sub("(tiny.*\n.*sha256:).{8}", r"\g<1>00000000", right))

    status, output, errors = clone.run("up")

    assert (status, output) == (1, "")
    assert "hash" in errors.lower()
    assert "failed" in errors.splitlines()[-1]
    requirements.write_text(right)
    assert clone.run("up")[:2] == (0, "started with up and tiny 1.0")


@pytest.mark.long
def test_a_pip_is_installed_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    clone = Clone(tmp_path / "clone", tmp_path / "wheels", tool="pip")
    subprocess.run([BASE, "-m", "venv", "--without-pip", str(tmp_path / "without-pip")], check=True)
    clone.python = str(tmp_path / "without-pip" / "bin" / "python")

    assert clone.run("up")[:2] == (0, "started with up and tiny 1.0")


@pytest.mark.long
def test_two_concurrent_starts_build_one_environment(clone: Clone) -> None:
    starts = [clone.start(str(number)) for number in range(2)]
    outcomes = [start.communicate(timeout=60) for start in starts]

    assert sorted(output.strip() for output, _ in outcomes) == [
        "started with 0 and tiny 1.0",
        "started with 1 and tiny 1.0",
    ]
    assert sum("making .venv" in errors for _, errors in outcomes) == 1


@pytest.mark.long
def test_the_development_environment_runs_the_gates_and_all_other_commands(clone: Clone) -> None:
    status, output, errors = clone.run("test", "-k", "something")
    assert (status, output) == (0, "gates with -k something")
    assert "requirements/development.txt" in errors

    assert clone.run("up") == (0, "started with up and tiny 1.0", "")


def test_an_old_python_starts_a_newer_one_that_works(clone: Clone) -> None:
    clone.pretend_that_python_is_old()
    for name, script in (("python3.13", "exit 127"), ("python3.12", 'test "$1" = -c || echo became $0 with $2')):
        (clone.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (clone.programs / name).chmod(0o755)

    assert clone.run("up") == (0, f"became {clone.programs}/python3.12 with up", "")


def test_an_old_python_alone_reports_in_one_line_which_version_is_needed(clone: Clone) -> None:
    clone.pretend_that_python_is_old()

    status, output, errors = clone.run("up")

    assert (status, output, len(errors.splitlines())) == (1, "", 1)
    assert errors.startswith("adsum: needs Python 3.11 or newer")


def test_the_launcher_can_be_read_by_an_old_python() -> None:
    assert ast.parse(LAUNCHER.read_text(encoding="utf-8"), feature_version=(3, 8))


def _only(tool: str, folder: Path) -> Path:
    programs = folder / "programs"
    programs.mkdir()
    if tool == "uv":
        (programs / "uv").symlink_to(str(shutil.which("uv")))
    return programs


def _wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    information = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f'VERSION = "{version}"\n',
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},sha256={_digest(text)},{len(text)}\n" for file, text in files.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{information}/RECORD": f"{record}{information}/RECORD,,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(file), text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
