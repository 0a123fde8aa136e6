"""Warnings, errors and remarks of all commands."""

from __future__ import annotations

import re
from pathlib import Path

import adsum

PACKAGE = Path(adsum.__file__).parent
FORM_OF_A_NOTICE = re.compile(r"""["'](Warning|Error|adsum):[ ]""")


def test_one_function_gives_notices_their_form() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if FORM_OF_A_NOTICE.search(path.read_text(encoding="utf-8"))]

    # Without the server, only `__main__` of the package is there.
    assert sorted(path.name for path in files) == ["__main__.py", "notices.py"]
