"""The recorded OpenAPI description, `docs/openapi.json`: `python -m tests.platform.http.snapshot` brings it up to date.

It refuses incompatible changes, unless `--breaking` is given: for a new major version, or for endpoints that no release
has had.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from adsum.app import create_app
from adsum.platform.settings import Settings
from tests.platform.http.compatibility import incompatibilities
from tests.support.live import ROOT

RECORD = ROOT / "docs" / "openapi.json"
COMMAND = "python -m tests.platform.http.snapshot"


@cache
def present() -> dict[str, Any]:
    """The description of the present code, without the version, which changes with every release."""
    description = create_app(Settings()).openapi()
    return json.loads(json.dumps(description | {"info": {"title": description["info"]["title"], "version": "1"}}))


def recorded() -> dict[str, Any]:
    """The committed description; empty if there is none yet."""
    description: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return description


def main(arguments: list[str]) -> int:
    """Writes the record."""
    before, now = recorded(), present()
    breaking = list(incompatibilities(before, now)) if before else []
    if breaking and arguments != ["--breaking"]:
        sys.stderr.writelines(f"{line}\n" for line in breaking)
        return 1
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(now, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
