"""The order of contacts, and the numbers that a link dials."""

from __future__ import annotations

import pytest

from adsum.roster.student_contacts.rules import StudentContact, dialled, in_order_of_calls


def contact(name: str, role: str = "parent", phone: str | None = "1", sms: str | None = None) -> StudentContact:
    return StudentContact(f"id-{name}", role, name, "Family", phone, sms, None)


def test_contacts_with_a_number_come_first_and_each_comes_once() -> None:
    contacts = [
        contact("Silent", "guardian", None),
        contact("Aunt", "relative"),
        contact("Zoe"),
        contact("Ämne"),
        contact("Zoe"),
        contact("Ward", "guardian", None, "2"),
    ]

    assert [each.given_name for each in in_order_of_calls(contacts)] == ["Ward", "Ämne", "Zoe", "Aunt", "Silent"]


def test_a_contact_is_a_text_of_name_role_and_numbers() -> None:
    assert contact("Ada", phone="030 1", sms="0170 2").text == "Ada Family (parent) 030 1, 0170 2"
    assert contact("Ada", phone="030 1", sms="030 1").text == "Ada Family (parent) 030 1"
    assert contact("Ada", phone=None).text == "Ada Family (parent)"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("030 1234-5", "03012345"),
        ("+49 (0)30/12.3", "+4930123"),
        ("(030) 12", "03012"),
        ("030 1, 040 2", None),
        ("030 1 ext. 5", None),
        ("call the neighbour", None),
        ("+", None),
        ("1" * 40, None),
        ("javascript:alert(1)", None),
    ],
)
def test_a_link_dials_the_digits_of_a_single_number(number: str, expected: str | None) -> None:
    assert dialled(number) == expected
    assert contact("Ada", phone=number).dialled_numbers == [(number, expected)]
