"""`adsum user erase`: a dry run first, then the erasure."""

from __future__ import annotations

import json

from tests.support.commands import Commands

OFFICE = "office@school.example"


def test_a_user_is_shown_first_and_then_erased(demo: Commands) -> None:
    shown = demo.run("user", "erase", OFFICE)
    assert (shown.returncode, "--yes" in shown.stderr) == (0, True)
    assert OFFICE in shown.stdout
    preview = json.loads(demo.run("user", "erase", OFFICE, "--json").stdout)
    assert preview["user"]["email"] == OFFICE, "the dry run changes nothing"
    user_id = preview["user"]["id"]
    demo.output("key", "create", "reports", "--permission", "attendance:read", "--owner", OFFICE)
    keys = demo.run("user", "erase", str(user_id))
    assert "(reports)" in keys.stdout

    unclear = demo.run("user", "erase", OFFICE, "--yes")
    handed = json.loads(
        demo.output("user", "erase", str(user_id), "--new-owner", "admin@school.example", "--yes", "--json")
    )

    assert (unclear.returncode, "owns an API key" in unclear.stderr) == (1, True)
    assert (handed["userId"], handed["revokedKeyIds"], len(handed["handedOverKeyIds"])) == (user_id, [], 1)
    gone = demo.run("user", "erase", OFFICE, "--yes")
    assert (gone.returncode, gone.stderr) == (1, "adsum: there is no such user\n")
    assert OFFICE not in demo.output("user", "list")


def test_wrong_ids_and_unknown_people_are_refused(demo: Commands) -> None:
    for who, code in (("0", 2), ("9" * 30, 2), ("4711", 1), ("nobody@school.example", 1)):
        assert demo.run("user", "erase", who).returncode == code, who
    last = demo.run("user", "erase", "admin@school.example", "--yes")
    assert (last.returncode, "last active admin" in last.stderr) == (1, True)
    refused = demo.run("user", "readmit", "teacher-1", "--school", "1")
    assert (refused.returncode, "was erased" in refused.stderr) == (1, True)
