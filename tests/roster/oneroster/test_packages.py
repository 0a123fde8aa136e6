"""The files that are read: the manifest, missing files and columns, and files that are not CSV."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adsum.platform.errors import Violation
from adsum.roster.oneroster.files import UnreadableRoster, roster_files
from adsum.roster.oneroster.package import Package, read_package
from tests.roster.files import a_school, a_school_of_1_2, in_zip

NAME = "Given student-1"


def violations_of(files: Mapping[str, bytes]) -> tuple[Violation, ...]:
    """Returns the violations for which the files are refused."""
    with pytest.raises(UnreadableRoster) as refused, roster_files(in_zip(files)) as opened:
        read_package(opened)
    return tuple(refused.value.violations)


def refusal(files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Returns pointer and code of each violation for which the files are refused."""
    return [(violation.pointer, violation.code) for violation in violations_of(files)]


@pytest.mark.parametrize("name", ["orgs", "users", "classes", "enrollments"])
def test_without_a_manifest_the_four_files_have_to_be_there(name: str) -> None:
    files = a_school().files()
    del files[f"{name}.csv"]

    assert refusal(files) == [(f"{name}.csv", "missing_file")]


def test_every_missing_file_and_column_is_named() -> None:
    files = a_school().files()
    del files["orgs.csv"]
    files["users.csv"] = b"sourcedId,role,role,givenName\r\n"
    files["classes.csv"] = b""

    assert refusal(files) == [
        ("orgs.csv", "missing_file"),
        ("users.csv", "missing_column"),
        ("users.csv", "missing_column"),
        ("users.csv", "repeated_column"),
        ("classes.csv", "missing_header"),
    ]


def test_the_modes_of_a_manifest_decide_which_files_are_read() -> None:
    roster = a_school()
    roster.modes = {"orgs": "bulk", "users": "delta"}
    files = roster.files() | {"courses.csv": b"sourcedId\r\n"}

    with roster_files(in_zip(files)) as opened:
        package = read_package(opened)

    assert {name: package.mode(name).value for name in ("orgs", "users", "roles", "classes", "enrollments")} == {
        "orgs": "bulk",
        "users": "delta",
        "roles": "absent",
        "classes": "absent",
        "enrollments": "absent",
    }
    assert package.ignored_files == ("classes.csv", "courses.csv", "enrollments.csv")
    assert list(package.classes()) == list(package.enrolments()) == []


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (b"propertyName,value\r\noneroster.version,1.0\r\nfile.users,bulk\r\n", "unknown_version"),
        (b"propertyName,value\r\nfile.users,whole\r\n", "unknown_mode"),
        (b"propertyName,value\r\nsource.systemName,x\r\n", "empty_manifest"),
        (b"propertyName,value\r\nfile.users\r\n", "wrong_columns"),
        (b"name,value\r\nfile.users,bulk\r\n", "missing_column"),
    ],
)
def test_an_invalid_manifest_is_refused(manifest: bytes, code: str) -> None:
    assert code in [found for _, found in refusal(a_school().files() | {"manifest.csv": manifest})]


def manifest_of(**modes: str) -> bytes:
    """A manifest of the files of `a_school`, with these modes besides."""
    every = dict.fromkeys(("orgs", "users", "classes", "enrollments"), "bulk") | modes
    return "\r\n".join(["propertyName,value", *(f"file.{name},{mode}" for name, mode in every.items())]).encode()


def test_an_empty_mode_of_a_file_that_is_not_read_means_absent() -> None:
    files = {"manifest.csv": manifest_of(demographics="", roles="", courses="")}

    with roster_files(in_zip(a_school().files() | files | {"courses.csv": b"sourcedId\r\n"})) as opened:
        package = read_package(opened)

    assert package.mode("roles").value == "absent"
    assert package.mode("users").value == "bulk"
    assert package.ignored_files == ("courses.csv",)


def test_an_empty_mode_of_a_missing_file_means_absent() -> None:
    files = a_school().files() | {"manifest.csv": manifest_of(users="")}
    del files["users.csv"]

    with roster_files(in_zip(files)) as opened:
        assert read_package(opened).mode("users").value == "absent"


def test_the_violations_of_a_manifest_name_file_row_and_property() -> None:
    manifest = b"\r\n".join(
        [
            *(b"propertyName,value", b"oneroster.version,1.0", b"file.users,", b"file.Courses,whole"),
            *(b"file.orgs,bulk", b"file.orgs,delta", b"file.orgs,bulk"),
        ]
    )

    found = violations_of(a_school().files() | {"manifest.csv": manifest})

    assert [(each.pointer, each.code, each.params["property"]) for each in found] == [
        ("manifest.csv:2", "unknown_version", "oneroster.version"),
        ("manifest.csv:3", "unknown_mode", "file.users"),
        ("manifest.csv:4", "unknown_mode", "file.Courses"),
        ("manifest.csv:6", "repeated_property", "file.orgs"),
    ]
    assert [each.detail for each in found] == [
        "oneroster.version: only OneRoster 1.1 and 1.2 is read",
        "file.users: is empty, and users.csv is there",
        "file.Courses: is neither bulk, delta nor absent",
        "file.orgs: has been bulk in an earlier row",
    ]


def test_a_declared_file_that_is_missing_is_named_with_its_property() -> None:
    (found,) = violations_of({"manifest.csv": b"propertyName,value\r\nfile.users,delta\r\n"})

    assert (found.pointer, found.code) == ("users.csv", "missing_file")
    assert found.detail == "the file is missing; file.users of manifest.csv is delta"


def test_a_manifest_must_declare_every_present_file() -> None:
    files = a_school().files() | {"manifest.csv": b"propertyName,value\r\nfile.users,bulk\r\nfile.courses,bulk\r\n"}

    assert refusal(files) == [(f"{name}.csv", "undeclared_file") for name in ("orgs", "classes", "enrollments")]


def test_a_manifest_without_a_file_to_import_is_refused() -> None:
    assert ("manifest.csv", "nothing_to_import") in refusal(
        {"manifest.csv": b"propertyName,value\r\nfile.courses,bulk\r\n"}
    )


def test_users_and_roles_have_to_be_of_one_mode() -> None:
    roster = a_school_of_1_2()
    roster.modes = {"users": "bulk", "roles": "delta"}

    assert refusal(roster.files()) == [("manifest.csv", "mixed_modes")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfesourcedId,name,type\r\n", "wrong_encoding"),
        ("sourcedId,name,type\r\n1,Sch\u00fcle,school\r\n".encode("cp1252"), "wrong_encoding"),
        (b"sourcedId|name|type\r\n1|a|school\r\n", "wrong_separator"),
        (b'"sourcedId,name,type\r\n', "wrong_quotes"),
        (b"sourcedId;type;type\r\n1;a;school\r\n", "missing_column"),
        (b"sourcedId;type;type\r\n1;a;school\r\n", "repeated_column"),
        (b"", "missing_header"),
        (b"\x00\x01\x02", "wrong_encoding"),
    ],
)
def test_a_file_that_is_not_readable_csv_is_refused(content: bytes, code: str) -> None:
    found = refusal(a_school().files() | {"orgs.csv": content})

    assert code in [code for pointer, code in found if pointer.partition(":")[0] == "orgs.csv"]


def test_every_file_of_another_encoding_is_named() -> None:
    files = a_school().files()
    wrong = {name: files[name] + "ü".encode("cp1252") for name in ("users.csv", "enrollments.csv")}

    assert refusal(files | wrong) == [("users.csv:6", "wrong_encoding"), ("enrollments.csv:6", "wrong_encoding")]


def test_a_package_reports_how_much_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsum.roster.oneroster.csv_table.PROGRESS_ROWS", 1)
    with roster_files(in_zip(a_school().files())) as opened:
        package: Package = read_package(opened)
        table, people = package.tables["users"], package.people()
        before = table.position
        next(people)
        begun = table.position
        list(people)

    assert before == 0 < begun <= table.position == table.size
