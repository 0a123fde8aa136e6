"""Builds the site: the sources in a folder of their own, the generator, and a check of every page that it made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.site.checking import problems_of
from tests.support.site.sources import Sources

ROOT: Final = Path(__file__).resolve().parents[3]
THEME: Final = Path(__file__).parent / "theme"
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class SiteError(Exception):
    """The site is not complete. The message lists every problem."""


def build(output: Path, root: Path = ROOT) -> int:
    """Replaces the folder `output` by the site of a repository, and returns the number of its pages.

    Raises:
        SiteError: a link has no target, or a page would load something from another server.
    """
    with tempfile.TemporaryDirectory(prefix="adsum-docs-") as folder:
        work = Path(folder)
        Sources(root, THEME).write(work)
        _generate(work)
        site = work / "site"
        (site / "404.html").unlink()  # its links are right at the root of a server only
        if problems := problems_of(site):
            raise SiteError("\n".join(problems))
        if output.exists():
            shutil.rmtree(output)
        shutil.copytree(site, output)
    return len(list(output.rglob("*.html")))


def _generate(work: Path) -> None:
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(
        command,
        cwd=work,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    report = _COLOURS.sub("", done.stdout)
    if done.returncode or "Warning" in report:
        raise SiteError(report.partition("Traceback")[0].strip() or report)
