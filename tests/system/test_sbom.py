"""The bill of materials: all that is installed at run time, with hashes and licences, the same on every call."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from tests.support.sbom import REQUIREMENTS, ROOT, bill_of_materials, to_json


@pytest.fixture(scope="module")
def text() -> str:
    return to_json(bill_of_materials())


@pytest.fixture(scope="module")
def components(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["components"]
    return found


@pytest.mark.long
def test_it_is_valid_and_the_same_on_every_call(text: str) -> None:
    # Its import takes two seconds, in every process that collects the tests.
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert to_json(bill_of_materials()) == text
    assert not re.search("timestamp|serialNumber", text)


def test_it_lists_exactly_the_pinned_packages_with_all_their_hashes(components: list[dict[str, Any]]) -> None:
    requirements = REQUIREMENTS.read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==([^\s;]+)", requirements, re.MULTILINE))
    packages = [each for each in components if "purl" in each]
    assert {(each["name"], each["version"]) for each in packages} == pinned
    assert len(packages) == len(pinned)
    hashes = [each["content"] for package in packages for each in package["externalReferences"][0]["hashes"]]
    assert sorted(hashes) == sorted(re.findall("sha256:([0-9a-f]{64})", requirements))
    assert [each["name"] for each in packages if "licenses" not in each] == ["httpx2-jsfetch"]  # for another platform


def test_it_lists_the_files_of_others_that_the_notice_names(components: list[dict[str, Any]]) -> None:
    files = {each["bom-ref"]: each for each in components if "purl" not in each}
    for path, file in files.items():
        assert file["hashes"][0]["content"] == hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
        assert file["licenses"]
    named = re.findall(r"src/adsum/\S+[\w]", (ROOT / "NOTICE").read_text(encoding="utf-8"))
    assert len(named) == 3
    assert all(any(path.startswith(each) for path in files) for each in named)
