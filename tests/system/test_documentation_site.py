"""The documentation as a site: it is complete, every link has a target, and nothing comes from another server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.site.building import ROOT, THEME, SiteError, build
from tests.support.site.checking import problems_of
from tests.support.site.dialect import converted

INDEX = "## How-to guides\n\n| | |\n|---|---|\n\n## Reference\n\n\n## Explanation\n\n"


@pytest.mark.long
def test_the_site_has_every_page_and_every_endpoint_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """`build` checks every link and every loaded file, as the tests below show."""
    site = tmp_path / "site"
    pages = build(site)
    documents = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    names = ["index.html" if str(name) == "README.html" else str(name) for name in documents]
    assert [name for name in names if not (site / name).is_file()] == []
    assert pages > len(names)
    endpoints = {path.name: path.read_text(encoding="utf-8") for path in (site / "reference/endpoints").glob("*.html")}
    description = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
    operations = [each["operationId"] for item in description["paths"].values() for each in item.values()]
    anchors = re.findall(r'<h2 id="(\w+)"', "".join(endpoints.values()))
    assert set(operations) <= set(anchors)
    assert "<strong>POST</strong> <code>/attendances/create-batch</code>" in endpoints["batches.html"]
    search = json.loads((site / "search.json").read_text(encoding="utf-8"))
    assert any("Mark a whole class" in str(entry) for entry in search["items"])


def test_a_link_without_a_target_stops_the_build(tmp_path: Path) -> None:
    text = "[a page](nowhere.md) and [a heading](README.md#nowhere)"
    assert "2 issues found" in refusal(text, tmp_path)


def test_a_file_from_another_server_stops_the_build(tmp_path: Path) -> None:
    text = '![](https://pictures.example/one.png)\n\n<pre class="mermaid"></pre>\n\n[a folder](how-to)'
    assert refusal(text, tmp_path).splitlines() == [
        "index.html: an element of the class mermaid loads a script from another server",
        "index.html: loads https://pictures.example/one.png",
        "index.html: the link how-to has no target",
    ]


def test_a_page_with_a_file_that_is_missing_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<img src="b.png"><a href="c.html#d"></a><a href="#e"></a><p id="e">', "utf-8")
    (tmp_path / "c.html").write_text("<p>", "utf-8")
    (tmp_path / "f.css").write_text('@import url("//fonts.example/f.css"); p { mask: url(data:image/svg) }', "utf-8")
    assert problems_of(tmp_path) == [
        "a.html: loads b.png, which does not exist",
        "a.html: the link c.html#d has no heading as target",
        "f.css: loads //fonts.example/f.css",
    ]


def test_lists_get_the_form_that_the_generator_reads() -> None:
    written = "Text:\n- one\n  and\n\n  more\n- two\n\nText\n\n1. One\n\n       code\n\n```\n- no list\n```\n"
    assert converted(written) == (
        "Text:\n\n- one\n    and\n\n    more\n- two\n\nText\n\n1. One\n\n        code\n\n```\n- no list\n```\n"
    )


def refusal(text: str, folder: Path) -> str:
    """The message of a build with this text on the start page. The site that was built before stays."""
    output = folder / "site"
    output.mkdir()
    (output / "kept.html").touch()
    with pytest.raises(SiteError) as error:
        build(output, small_repository(folder / "repository", f"# Start\n\n{text}\n\n{INDEX}"))
    assert (output / "kept.html").exists()
    return str(error.value)


def small_repository(root: Path, start: str) -> Path:
    """The files of a repository that a site needs."""
    for folder in ("docs/decisions", "docs/how-to", "src/adsum/platform/pages/static"):
        (root / folder).mkdir(parents=True)
    (root / "src/adsum/platform/pages/static/adsum.svg").write_bytes((THEME / "adsum.css").read_bytes())
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/tutorial.md", "docs/decisions/0001-one.md"):
        (root / name).write_text("# One\n", encoding="utf-8")
    rows = {"How-to guides": "how-to/a.md", "Reference": "reference/b.md", "Explanation": "explanation/c.md"}
    for heading, page in rows.items():
        (root / "docs" / page).parent.mkdir(exist_ok=True)
        (root / "docs" / page).write_text("# One\n", encoding="utf-8")
        start = start.replace(f"## {heading}\n", f"## {heading}\n\n| | |\n|---|---|\n| [One]({page}) | one |\n")
    (root / "docs/README.md").write_text(start, encoding="utf-8")
    operation: dict[str, Any] = {"tags": ["t"], "operationId": "one", "summary": "One", "responses": {"200": {}}}
    description: dict[str, Any] = {"paths": {"/one": {"get": operation}}, "components": {"schemas": {}}}
    (root / "docs/openapi.json").write_text(json.dumps(description), encoding="utf-8")
    for page in ("reference/http.md", "reference/permissions.md", "how-to/act-for-a-person.md"):
        (root / "docs" / page).write_text("# One\n\n## Errors\n\n## Rate limits\n", encoding="utf-8")
    return root
