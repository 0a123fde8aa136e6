"""The migrations of this version."""

from __future__ import annotations

from pathlib import Path

from adsum.operations import migrations


def migrations_after(revision: str) -> int:
    """The number of migrations after one. Their own numbers may have gaps."""
    (folder,) = migrations.__path__
    return sum(path.name[:4] > revision for path in Path(folder, "versions").glob("[0-9]*.py"))
