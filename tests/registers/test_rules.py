"""The state of a register."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.registers.rules import Register, RegisterState


@pytest.mark.parametrize(
    ("marked", "state"), [(0, RegisterState.MISSING), (29, RegisterState.PARTIAL), (30, RegisterState.TAKEN)]
)
def test_a_register_is_taken_once_every_student_has_a_mark(marked: int, state: RegisterState) -> None:
    register = Register(9, 1, "7b", 2, "Maths", date(2024, 12, 25), (), marked, 30, None, is_processing=False)
    assert register.state is state
