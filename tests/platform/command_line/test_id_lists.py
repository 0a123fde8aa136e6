"""Parsing of lists of ids."""

from __future__ import annotations

import pytest
import typer

from adsum.platform.command_line.id_lists import parse_ids
from adsum.platform.ids import MAX_ID


def test_ids_and_ranges_keep_their_order() -> None:
    assert parse_ids({"absent": ["7, 4-6", "1"], "late": [f"{MAX_ID}"], "excused": []}) == {
        "absent": [7, 4, 5, 6, 1],
        "late": [MAX_ID],
        "excused": [],
    }
    assert len(parse_ids({"present": ["1-100000"]})["present"]) == 100_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-999999999", "--present: '1-999999999' is too large: a range has at most 100,000 ids"),
        ("1-100001", "--present: '1-100001' is too large: a range has at most 100,000 ids"),
        ("10-5", "--present: '10-5' is reversed: write 5-10"),
        ("0", f"--present: '0' is out of range: ids are 1 to {MAX_ID}"),
        (f"{MAX_ID + 1}", f"--present: '{MAX_ID + 1}' is out of range: ids are 1 to {MAX_ID}"),
        *(
            (text, f"--present: {text!r} is neither an id nor a range such as 10-20")
            for text in ("x", "", "-5", "1_0", "٣")
        ),
    ],
)
def test_each_kind_of_error_has_its_own_message(text: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as wrong:
        parse_ids({"present": [text]})
    assert wrong.value.message == message


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(typer.BadParameter) as wrong:
        parse_ids({"present": ["1,x"], "absent": ["9-8,1"], "late": ["4,4"]})
    assert wrong.value.message.splitlines() == [
        "--present: 'x' is neither an id nor a range such as 10-20",
        "--absent: '9-8' is reversed: write 8-9",
        "--present, --absent: student 1 is named 2 times",
        "--late: student 4 is named 2 times",
    ]


def test_many_errors_are_counted_instead_of_listed() -> None:
    with pytest.raises(typer.BadParameter) as wrong:
        parse_ids({"present": ["1-1000"], "absent": ["1-1000"]})
    assert wrong.value.message.splitlines()[-2:] == [
        "--present, --absent: student 10 is named 2 times",
        "and 990 more",
    ]
