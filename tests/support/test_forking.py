"""`-n`: the tests below run in processes of a pytest of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import os, signal, sys, pytest

@pytest.fixture(scope="session")
def mine(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    yield folder
    with open("ended", "a") as file:
        print(folder.name, file=file)

@pytest.mark.parametrize("number", range(40))
def test_passes(number, mine):
    print("output of", number)
    with open("ran", "a") as file:
        print(number, os.getpid(), file=file)
"""


def run(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(TESTS + tests)
    plugins = ("tests.support.forking", "no:xdist", "no:cacheprovider")
    options = ("-n3", *(f"-p{name}" for name in plugins), f"--basetemp={folder / 'temporary'}", *options)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_each_test_runs_once_in_one_of_the_processes_which_tear_down_their_fixtures(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_fails(mine): assert 1 == 2, 'why'\ndef test_skips(): pytest.skip('as it is')", "-rs")
    lines = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    assert sorted(int(number) for number, _ in lines) == list(range(40))
    assert 1 < len({process for _, process in lines}) <= 3
    assert 1 < len((tmp_path / "ended").read_text().splitlines()) <= 3
    assert "1 failed, 40 passed, 1 skipped" in done.stdout
    assert "AssertionError: why" in done.stdout
    assert "as it is" in done.stdout
    assert "output of" not in done.stdout


@pytest.mark.long
def test_a_process_that_ends_early_fails_its_test_and_no_other(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_dies(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_exits(mine): os._exit(7)")
    assert "2 failed, 40 passed" in done.stdout
    assert set(re.findall(r"the process ended with status (-?\d+)", done.stdout)) == {"-9", "7"}


HANGS = """
def test_hangs():
    import faulthandler, threading
    faulthandler.dump_traceback_later(0.01, exit=True, file=sys.__stderr__)  # as `faulthandler_timeout`
    threading.Event().wait()
"""


@pytest.mark.long
def test_a_test_that_hangs_is_named_and_fails_no_other(tmp_path: Path) -> None:
    done = run(tmp_path, HANGS)
    assert "1 failed, 40 passed" in done.stdout
    assert "the process ended with status 1; faulthandler" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("ending", ["SystemExit(1)", "KeyboardInterrupt", "ValueError('of a hook')"])
def test_whatever_ends_a_process_is_shown_and_fails_one_test(tmp_path: Path, ending: str) -> None:
    (tmp_path / "conftest.py").write_text(f"""
def pytest_runtest_logfinish(nodeid):
    if "test_ends" in nodeid and __import__("multiprocessing").parent_process():
        raise {ending}
def pytest_forked_finish():
    open("finished", "a").write("x")
""")
    done = run(tmp_path, "def test_ends(mine): pass")
    assert re.search(rf"^E? *{ending.partition('(')[0]}", done.stdout, re.MULTILINE), done.stdout
    assert "1 failed, 41 passed" in done.stdout
    # All processes have ended in order, also the one that has begun in place of another.
    assert 1 < len((tmp_path / "finished").read_text()) <= 4
    assert 1 < len((tmp_path / "ended").read_text().splitlines()) <= 4


@pytest.mark.long
def test_no_more_tests_begin_after_the_first_failure_if_it_is_to_be_the_last(tmp_path: Path) -> None:
    (tmp_path / "test_earlier.py").write_text("def test_fails(): assert 1 == 2")
    done = run(tmp_path, "def test_later(): pass", "-x", "--maxfail=1")
    assert "stopping after 1 failures" in done.stdout
    assert "1 failed" in done.stdout
    assert "40 passed" not in done.stdout


@pytest.mark.long
def test_an_error_outside_of_tests_is_shown(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("def pytest_forked_finish(): raise ValueError('left over')")
    done = run(tmp_path, "")
    assert done.returncode != 0
    assert "left over" in done.stdout + done.stderr
