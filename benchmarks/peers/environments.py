"""Installs the peers' dependencies into `benchmarks/.venv` and `node_modules`."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import subprocess
import tempfile
from typing import Any

from benchmarks.servers import ROOT

VENV = ROOT / "benchmarks" / ".venv"
NODE = ROOT / "benchmarks" / "peers" / "node"
PYTHON = ROOT / "benchmarks" / "peers" / "python"
KIND = "benchmarks"


def python_program(name: str) -> str:
    """Returns the path of a program of the peers' environment, such as `python` or `celery`."""
    return str(VENV / "bin" / name)


def install_python_peers() -> None:
    """Installs the packages with the launcher's code (uv or pip, hashes checked), unless they are current."""
    launcher = _launcher()
    launcher.VENV, launcher.PYTHON = str(VENV), python_program("python")
    launcher.STAMP, launcher.UNFINISHED = str(VENV / "adsum-stamp.json"), str(VENV / "adsum-unfinished")
    launcher.LOCK = str(VENV / "adsum-lock")
    if not launcher.is_current(KIND):
        with launcher.lock():
            launcher.build(KIND)


def _launcher() -> Any:
    loader = importlib.machinery.SourceFileLoader("adsum_launcher", str(ROOT / "adsum"))
    specification = importlib.util.spec_from_loader(loader.name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    loader.exec_module(module)
    return module


def install_node_peer() -> str:
    """Installs the Node packages, unless they are current. Returns the reason if that is not possible, else ""."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no node and npm on PATH"
    stamp, wanted = NODE / "node_modules" / ".installed", (NODE / "package.json").read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return ""
    with tempfile.TemporaryDirectory(prefix="adsum-npm-") as cache:
        # No lock file, since it would contain the addresses of a registry.
        options = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--cache", cache)
        done = subprocess.run(["npm", "install", *options], cwd=NODE, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"npm install failed: {done.stderr.strip()[-500:]}"
    stamp.write_text(wanted, encoding="utf-8")
    return ""
