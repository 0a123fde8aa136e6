"""Names of time zones: an unknown one shows what is close to it."""

from __future__ import annotations

import pytest

from adsum.platform.errors import Violation
from adsum.platform.time_zones import close_time_zones, known_time_zone, validate_time_zone


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("europe/berlin", ["Europe/Berlin"]),
        ("Berlin", ["Europe/Berlin"]),
        ("america/new york", ["America/New_York"]),
        ("Ho Chi Minh", ["Asia/Ho_Chi_Minh"]),
        ("Europe/Zurch", ["Europe/Zurich"]),
        ("+01:00", []),
        ("MEZ", []),
        ("", []),
        ("x" * 100_000, []),
    ],
)
def test_an_unknown_time_zone_shows_what_is_close(name: str, close: list[str]) -> None:
    assert close_time_zones(name) == close
    (violation,) = validate_time_zone(name, "/timeZone")
    assert (violation.code, violation.pointer, violation.params) == ("unknown_time_zone", "/timeZone", {"close": close})
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        known_time_zone(name)


def test_several_close_names_are_offered() -> None:
    assert list(validate_time_zone("Europe/Berln", "/timeZone")) == [
        Violation(
            "unknown_time_zone",
            "'Europe/Berln' is not an IANA time zone: did you mean Europe/Berlin or Europe/Dublin or Europe/Belfast?",
            "/timeZone",
            {"close": ["Europe/Berlin", "Europe/Dublin", "Europe/Belfast"]},
        )
    ]


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "CET", "Asia/Saigon"])
def test_a_known_time_zone_is_returned(name: str) -> None:
    assert known_time_zone(name) == name
    assert list(validate_time_zone(name, "")) == []
