"""Checks the pages of a built site: every link has a target, and no page loads anything from another server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

# Attributes that make a browser load what they name, by element. A link of `a` waits for its reader.
_LOADING: Final = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}
_ADDRESS: Final = re.compile(r"url\(\s*[\"']?([^\"')\s]+)")
# Classes for which the script of the theme loads a library from a public server.
_LOADED_ON_DEMAND: Final = frozenset({"mermaid", "arithmatex"})


class _Page(HTMLParser):
    """The links, loaded files and anchors of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.on_demand: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.on_demand |= _LOADED_ON_DEMAND & set(values.get("class", "").split())
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loaded += [values[name] for name in _LOADING.get(tag, ()) if name in values]


def problems_of(site: Path) -> list[str]:
    """One line for each link without a target, and for each file that would come from another server."""
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html"))}
    found = [
        (path, each) for path, page in pages.items() for each in (*_loaded(page, path), *_linked(page, path, pages))
    ]
    found += [(path, f"loads {url}") for path in site.rglob("*.css") for url in _imports(path)]
    return [f"{path.relative_to(site)}: {problem}" for path, problem in found]


def _loaded(page: _Page, path: Path) -> Iterator[str]:
    for name in page.on_demand:
        yield f"an element of the class {name} loads a script from another server"
    for address in page.loaded:
        if urlsplit(address).netloc:
            yield f"loads {address}"
        elif not _is_data(address) and not _target(path, address).exists():
            yield f"loads {address}, which does not exist"


def _linked(page: _Page, path: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    for link in page.links:
        if urlsplit(link).scheme or urlsplit(link).netloc:
            continue
        target = _target(path, link)
        if not target.is_file():
            yield f"the link {link} has no target"
        elif target in pages and unquote(urlsplit(link).fragment) not in pages[target].anchors:
            yield f"the link {link} has no heading as target"


def _target(page: Path, link: str) -> Path:
    relative = unquote(urlsplit(link).path)
    target = (page.parent / relative).resolve() if relative else page
    return target / "index.html" if target.is_dir() else target


def _is_data(address: str) -> bool:
    return urlsplit(address).scheme == "data"


def _imports(stylesheet: Path) -> list[str]:
    addresses: list[str] = _ADDRESS.findall(stylesheet.read_text(encoding="utf-8"))
    return [address for address in addresses if not _is_data(address) and urlsplit(address).netloc]
