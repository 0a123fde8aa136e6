"""The sizes within which the code stays easy to enter: packages, modules of a folder, and lines of a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import adsum

SOURCE = Path(adsum.__file__).parent
MODULES = [path for path in SOURCE.rglob("*.py") if path.parent.name != "versions"]  # a migration is written once


def test_adsum_has_at_most_14_packages() -> None:
    assert len([each for each in SOURCE.iterdir() if (each / "__init__.py").exists()]) <= 14


def test_a_folder_has_at_most_25_modules() -> None:
    folders = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > 25} == {}


def test_a_module_has_at_most_400_lines() -> None:
    lines = {str(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 400} == {}
