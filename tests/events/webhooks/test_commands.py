"""`adsum webhook`, run as an operator runs it."""

from __future__ import annotations

import json

from tests.support.commands import Commands

NETWORKS = {"ADSUM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}


def test_people_read_that_a_webhook_receives_all_events_and_that_its_secret_is_shown_now(demo: Commands) -> None:
    created = demo.run("webhook", "create", "https://127.0.0.1/hooks", **NETWORKS)
    some = demo.run(
        *("webhook", "create", "https://127.0.0.1/others", "--type", "batch.completed", "--json"), **NETWORKS
    )
    shown = demo.output("webhook", "show", "1")
    rotated = demo.run("webhook", "rotate", "1")
    ended = demo.output("webhook", "rotate", "1", "--overlap", "0s", "--json")
    listed = demo.output("webhook", "list").splitlines()

    fields = [line.split(maxsplit=2) for line in created.stdout.splitlines()]
    notice = "adsum: the secret is shown only now: store it where the deliveries are received\n"
    assert (created.returncode, created.stderr, ["Event", "types", "all"] in fields) == (0, notice, True)
    assert [line for line in (created.stdout + shown).splitlines() if line.endswith("  -")] == []
    assert ("whsec_" in created.stdout, "whsec_" in shown) == (True, False)
    assert (some.stderr, json.loads(some.stdout)["eventTypes"]) == ("", ["batch.completed"])
    assert (rotated.stderr, "Earlier ends at" in rotated.stdout) == (notice, True)
    assert json.loads(ended)["earlierEndsAt"] is None
    assert ["  all  " in line for line in listed] == [False, True, False]


def test_people_read_who_has_created_a_webhook_and_that_a_school_is_unknown(demo: Commands) -> None:
    created = json.loads(demo.run("webhook", "create", "https://127.0.0.1/", "--json", **NETWORKS).stdout)
    unknown = demo.run("webhook", "list", "--school", "99")
    feed = demo.run("event", "list", "--school", "99")
    shown = [line.split(maxsplit=2) for line in demo.output("webhook", "show", str(created["id"])).splitlines()]

    assert (created["createdByRole"], created["createdByUserId"], created["createdByKeyId"]) == ("admin", None, None)
    assert ["Created", "by", "admin"] in shown
    assert (unknown.returncode, feed.returncode) == (1, 1)
    assert unknown.stderr == feed.stderr == "adsum: there is no school 99\n"


def test_a_replay_into_a_disabled_webhook_says_that_nothing_is_delivered_until_it_is_enabled(demo: Commands) -> None:
    demo.output("absence", "enter", "--student", "4", "--from", "2024-12-25", "--reason", "flu")
    webhook = str(json.loads(demo.run("webhook", "create", "https://127.0.0.1/", "--json", **NETWORKS).stdout)["id"])
    period = ("--since", "2000-01-01T00:00:00Z", "--until", "2100-01-01T00:00:00Z")
    enabled = demo.run("webhook", "replay", webhook, *period)
    demo.output("webhook", "disable", webhook)
    disabled = demo.run("webhook", "replay", webhook, *period)
    as_json = demo.run("webhook", "replay", webhook, *period, "--json")
    none = demo.run("webhook", "replay", webhook, *period[:3], "2001-01-01T00:00:00Z")

    assert (enabled.returncode, enabled.stderr, enabled.stdout.split()[0]) == (0, "", "Events")
    assert disabled.stderr == (
        f"adsum: webhook {webhook} is disabled: nothing is delivered until it is enabled, with "
        f"`adsum webhook enable {webhook}`\n"
    )
    assert ("Disabled" in enabled.stdout, "by_person" in disabled.stdout) == (False, True)
    assert (json.loads(as_json.stdout)["disabled"], as_json.stderr) == ("by_person", "")
    assert (none.returncode, none.stderr) == (0, "")
