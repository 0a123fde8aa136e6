"""The documentation: every link has a target, every named file exists, every generated page is up to date."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

import adsum
from adsum.operations.doctor.keys import CHECK as API_KEYS
from adsum.operations.doctor.roster_sync import CHECK as ROSTER_SYNC
from tests.support.reference import COMMAND, FOLDER, PAGES, description_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
PLACE = re.compile(r"`((?:src/adsum|tests|benchmarks|docs|[a-z_]+)/[\w./-]+\.(?:py|sql|lua|md|json))`")

documents = pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))


@documents
def test_every_link_to_a_file_has_a_target(document: Path) -> None:
    targets = [target for target, _ in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@documents
def test_every_link_to_a_heading_has_a_target(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    anchors = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text)
    missing = [
        (target, anchor)
        for target, anchor in anchors
        if "://" not in target and anchor not in headings(document.parent / target if target else document)
    ]
    assert missing == []


@documents
def test_every_named_file_exists(document: Path) -> None:
    """Paths are relative to the root of the repository or to `src/adsum`."""
    named = PLACE.findall(document.read_text(encoding="utf-8"))
    assert [each for each in named if not (ROOT / each).exists() and not (ROOT / "src/adsum" / each).exists()] == []


def test_every_answer_of_the_architecture_is_in_the_file_that_it_names() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+\? \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    missing: list[str] = []
    for files, names in rows:
        code = "".join((ROOT / "src/adsum" / file).read_text("utf-8") for file in re.findall(r"`([^`]+)`", files))
        missing += [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", code)]
    assert len(rows) >= 20
    assert missing == []


def test_a_group_of_answers_of_the_architecture_is_short() -> None:
    """A reader looks through one group, found by its heading. So each is one page at most, and there are few."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    (answers,) = re.findall(r"^## Where to find\n(.+?)^## ", text, re.MULTILINE | re.DOTALL)
    groups = re.split(r"^### .+$", answers, flags=re.MULTILINE)[1:]
    numbers = [len(re.findall(r"^\| [^|]+\? \|", group, re.MULTILINE)) for group in groups]
    assert 4 <= len(numbers) <= 8
    assert max(numbers) <= 15


def test_every_name_of_a_change_in_contributing_is_in_the_code() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (changes,) = re.findall(r"^## Where a change goes\n(.+?)^## ", text, re.MULTILINE | re.DOTALL)
    files = [*(ROOT / "src/adsum").rglob("*"), *(ROOT / "tests/support").glob("*")]
    texts = (file.read_text("utf-8") for file in files if file.suffix in {".py", ".html", ".sql"})
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    names = set(re.findall(r"`(\w+)`", changes))
    assert len(names) >= 50
    assert names - words == set()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_every_table_has_a_header(page: Path) -> None:
    """An empty line inside a table makes text of the rows below it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    headless = [table for table in tables if not re.match(r"\|.*\n\|[ :|-]+\|\n", table)]
    assert headless == []


def test_every_function_of_the_locks_is_in_the_file_that_it_is_said_to_be_in() -> None:
    named = re.findall(r"`([\w/.]+\.(?:py|sql))`: ((?:`\w+`(?:, )?)+)", (DOCS / "locks.md").read_text("utf-8"))
    missing: list[str] = []
    for file, names in named:
        code = (ROOT / "src/adsum" / file).read_text("utf-8")
        missing += [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", code)]
    assert len(named) >= 10
    assert missing == []


def test_every_statement_that_locks_rows_is_among_the_locks() -> None:
    """By the function that has it, by one that calls this function in its module, or by its file in `sql`.

    Statements that skip locked rows wait for nobody.
    """
    named = set(re.findall(r"`([^`]+)`", (DOCS / "locks.md").read_text("utf-8")))
    source = ROOT / "src/adsum"
    locking = {
        str(file.relative_to(source))
        for file in source.rglob("*.sql")
        if re.search(r"^(?!\s*--).*\bFOR (?:NO KEY )?(?:UPDATE|SHARE)\b", file.read_text("utf-8"), re.MULTILINE)
    }
    missing = [file for file in sorted(locking) if not any(fnmatch(file, name) for name in named)]
    for module in sorted(source.rglob("*.py")):
        functions = functions_of(module) if "with_for_update(" in module.read_text("utf-8") else {}
        for name, code in functions.items():
            if re.search(r"with_for_update\((?!skip_locked)", code):
                callers = {each for each, calling in functions.items() if f"{name}(" in calling}
                missing += [f"{module.relative_to(source)}: {name}"] * named.isdisjoint(callers)
    assert len(locking) >= 10
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_equals_the_output_of_its_generator(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), f"run {COMMAND}"


def test_a_setting_without_a_description_has_no_page() -> None:
    with pytest.raises(ValueError, match="port: a setting needs a description"):
        description_of("port", FieldInfo(annotation=int))


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "decisions" not in path.parts]
    assert [str(page) for page in pages if str(page) != "README.md" and f"({page})" not in index] == []


def test_the_page_of_the_library_has_every_public_name_and_no_other() -> None:
    text = (DOCS / "reference" / "library.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `(?!await )(\w+)[^`]*` \|", text, re.MULTILINE)
    (parts,) = re.findall(r"^## Parts of a worker\n(.+)", text, re.MULTILINE | re.DOTALL)
    named = {*cells, *re.findall(r"^## `(\w+)`", text, re.MULTILINE), *re.findall(r"`(\w+)`", parts)}
    assert sorted(named) == sorted(adsum.__all__)


def test_the_page_of_the_library_has_every_method_of_its_service_and_every_field() -> None:
    text = (DOCS / "reference" / "library.md").read_text(encoding="utf-8")
    methods = {name for name in vars(adsum.AttendancesService) if not name.startswith("_")}
    assert set(re.findall(r"^\| `await (\w+)\(", text, re.MULTILINE)) == methods
    values = (adsum.Attendance, adsum.Submission, adsum.Selection, adsum.StudentMark, adsum.Mark)
    for value in (*values, adsum.BatchResult, adsum.BatchStatus):
        (row,) = re.findall(rf"^\| `{value.__name__}` \| (.+) \|$", text, re.MULTILINE)
        listed = re.findall(r"`(\w+)[^`]*`", row.partition(";")[0])
        assert listed == [field.name for field in fields(value)], value


@pytest.mark.parametrize("name", adsum.__all__)
def test_every_public_name_of_the_library_can_be_imported(name: str) -> None:
    assert getattr(adsum, name).__name__ == name


def test_the_guide_lists_every_check_of_the_doctor() -> None:
    text = (DOCS / "how-to" / "monitor-and-repair.md").read_text(encoding="utf-8")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src/adsum/operations/doctor").glob("*.py"))
    checks = set(re.findall(r'\b(?:ok|warning|error)\(\s*"([^"]+)"', code)) | {API_KEYS, ROSTER_SYNC}
    cells = re.findall(r"^\| ([a-z ,:]+) \|", text, re.MULTILINE)
    listed = {name.partition(":")[0] for cell in cells for name in cell.split(", ")}
    assert len(checks) >= 18
    assert checks - listed == set()


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def functions_of(module: Path) -> dict[str, str]:
    """The code of each function of a module, by name."""
    code = module.read_text("utf-8")
    lines = code.splitlines()
    found = (each for each in ast.walk(ast.parse(code)) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {each.name: "\n".join(lines[each.lineno - 1 : each.end_lineno]) for each in found}


def headings(document: Path) -> set[str]:
    """Returns the anchors of a document's headings, as GitHub creates them."""
    lines = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}
