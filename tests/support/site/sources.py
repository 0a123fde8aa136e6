"""The sources of the site: `docs`, three files beside it, pages made of the OpenAPI description, and the navigation.

`docs/README.md` is the start page, and its tables are the navigation. So a page is in both, or in none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tests.support.site.dialect import converted
from tests.support.site.endpoints import EndpointPages

# Files outside `docs` that have a page.
BESIDE: Final = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
DECISIONS: Final = "decisions/index.md"
ENDPOINTS: Final = "reference/endpoints"
_LINK: Final = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_ROW: Final = re.compile(r"^\| \[([^\]]+)\]\(([^)#]+)\) \|", re.MULTILINE)
_SECTION: Final = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
_ENDPOINTS_ROW: Final = (
    "| [Endpoints](reference/endpoints/index.md) | of the HTTP API, with parameters, bodies and responses |\n"
)

Entry = dict[str, Any]
"""A page of the navigation by its title, or a list of entries."""


class Sources:
    """`root` is the repository; `theme` has the configuration and the stylesheet."""

    def __init__(self, root: Path, theme: Path) -> None:
        self._root = root
        self._docs = root / "docs"
        self._theme = theme
        self._endpoints = EndpointPages(json.loads((self._docs / "openapi.json").read_text(encoding="utf-8")))

    def write(self, work: Path) -> None:
        """Writes the configuration and all sources into a new folder."""
        pages = work / "docs"
        for source in sorted(self._docs.rglob("*")):
            if source.suffix == ".md":
                self._write(pages, self._page_of(source), self._converted(source))
            elif source.is_file():
                target = pages / source.relative_to(self._docs)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for name, page in BESIDE.items():
            self._write(pages, page, self._converted(self._root / name))
        self._write(pages, DECISIONS, self._decisions_page())
        for name, text in self._endpoints.pages().items():
            self._write(pages, f"{ENDPOINTS}/{name}", text)
        shutil.copyfile(self._theme / "adsum.css", pages / "adsum.css")
        shutil.copyfile(self._root / "src/adsum/platform/pages/static/adsum.svg", pages / "adsum.svg")
        settings = (self._theme / "zensical.toml").read_text(encoding="utf-8")
        (work / "zensical.toml").write_text(settings.replace("nav = []", f"nav = {_toml(self.navigation())}"), "utf-8")

    def navigation(self) -> list[Entry]:
        """The navigation: the sections of `docs/README.md` with their rows."""
        text = (self._docs / "README.md").read_text(encoding="utf-8")
        sections = {heading: _ROW.findall(body) for heading, body in _SECTION.findall(text)}
        how_to, reference, explanation = (sections[name] for name in ("How-to guides", "Reference", "Explanation"))
        return [
            {"Start": ["index.md", {"Tutorial": "tutorial.md"}]},
            {"How-to guides": _entries(how_to)},
            {
                "Reference": [
                    *_entries(reference[:1]),
                    {"Endpoints": self._endpoint_entries()},
                    *_entries(reference[1:]),
                ]
            },
            {"Explanation": _entries(row for row in explanation if row[1] != "decisions")},
            {"Decisions": [DECISIONS, *_entries(self._decisions())]},
            {"Project": _entries((Path(page).stem.capitalize(), page) for page in BESIDE.values())},
        ]

    def _endpoint_entries(self) -> list[Any]:
        pages = [(title, f"{ENDPOINTS}/{name}") for title, name in self._endpoints.titles()]
        return [f"{ENDPOINTS}/index.md", *_entries(pages)]

    def _write(self, pages: Path, name: str, text: str) -> None:
        target = pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _page_of(self, source: Path) -> str:
        """The page of a file; a folder's is its list."""
        if source.parent == self._root and source.name in BESIDE:
            return BESIDE[source.name]
        name = source.relative_to(self._docs).as_posix()
        return {"README.md": "index.md", "decisions": DECISIONS}.get(name, name)

    def _converted(self, source: Path) -> str:
        """A file with links between pages, instead of those between files of the repository."""
        here = PurePosixPath(self._page_of(source)).parent

        def convert(link: re.Match[str]) -> str:
            before, address, after = link.groups()
            if "://" in address or address.startswith("mailto:"):
                return link.group()
            target = Path(os.path.normpath(source.parent / address))
            if not target.is_relative_to(self._docs) and target.name not in BESIDE:
                return link.group()  # the generator refuses it
            return f"{before}{os.path.relpath(self._page_of(target), here)}{after}"

        text = converted(_LINK.sub(convert, source.read_text(encoding="utf-8")))
        return self._with_endpoints(text) if source == self._docs / "README.md" else text

    def _with_endpoints(self, index: str) -> str:
        """The start page of the site also has the pages that exist on the site only."""
        first, row, rest = index.partition("| [Command line]")
        return f"{first}{_ENDPOINTS_ROW}{row}{rest}"

    def _decisions(self) -> list[tuple[str, str]]:
        """The title and the page of each decision."""
        files = sorted((self._docs / "decisions").glob("*.md"))
        return [
            (file.read_text("utf-8").partition("\n")[0].removeprefix("# "), f"decisions/{file.name}") for file in files
        ]

    def _decisions_page(self) -> str:
        rows = [f"- [{title}]({Path(page).name})\n" for title, page in self._decisions()]
        return f"# Decisions\n\nThe reasons of the design, half a page each.\n\n{''.join(rows)}"


def _entries(rows: Iterable[tuple[str, str]]) -> list[Entry]:
    return [{title: page} for title, page in rows]


def _toml(value: str | Entry | list[Any]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value)
