"""Limits of packages, modules and lines, and docstrings of packages that name their folders and modules."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

import adsum

SOURCE = Path(adsum.__file__).parent
MODULES = [path for path in SOURCE.rglob("*.py") if path.parent.name != "versions"]  # a migration is written once
# Each feature has these files as far as it needs them: docs/architecture.md says what is in them.
OF_EACH_FEATURE = {
    *("rules", "tables", "repository", "sql", "service", "schemas", "endpoints"),
    *("pages", "templates", "page_data", "commands", "wiring"),
}


def test_adsum_has_at_most_14_packages() -> None:
    assert len([each for each in SOURCE.iterdir() if (each / "__init__.py").exists()]) <= 14


def test_a_folder_has_at_most_25_modules() -> None:
    folders = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > 25} == {}


def test_a_module_has_at_most_400_lines() -> None:
    lines = {str(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 400} == {}


@pytest.mark.parametrize(
    "package", ["absences", "accounts", "batches", "events", "privacy", "registers", "reports", "roster"]
)
def test_the_docstring_of_a_large_package_names_its_folders_and_modules(package: str) -> None:
    docstring = importlib.import_module(f"adsum.{package}").__doc__ or ""
    named = {word for name in re.findall(r"`([^`]+)`", docstring) for word in re.split(r"\W", name)}
    beside = {path.stem for path in (SOURCE / package).iterdir() if path.is_dir() or path.suffix == ".py"}
    assert beside - named - OF_EACH_FEATURE - {"__init__", "__pycache__"} == set()
