"""The one order of names and titles."""

from __future__ import annotations

import random

import pytest

from adsum.platform.texts import list_key
from adsum.roster.rules import name_order


@pytest.mark.parametrize(
    "ordered",
    [
        ["9", "9a", "9B", "10", "11", "12", "Early years"],
        ["Class 2", "Class 2b", "Class 10", "Class 100"],
        ["Élodie", "Elodie B", "Émile", "Zoë"],
        ["Ångström", "Bengt", "Łukasz", "Mueller", "Müller", "Muñoz", "Øster", "Zuse"],
        ["", "7", "A", "a", "Á"],
        ["Straße 1", "Strasse 2", "Straße 10"],
        ["1" * 250, "2" * 250],
    ],
)
def test_numbers_are_sorted_by_value_and_accents_beside_their_letters(ordered: list[str]) -> None:
    shuffled = random.Random(7).sample(ordered, len(ordered))
    assert sorted(shuffled, key=list_key) == ordered


def test_people_are_sorted_by_family_name_then_given_name_and_accents_decide_last() -> None:
    people = [("Muller", "Ben", 4), ("Müller", "Anna", 3), ("Muller", "Anna", 2), ("Müller", "Anna", 1)]
    assert sorted(people, key=lambda person: name_order(*person)) == [people[2], people[3], people[1], people[0]]
