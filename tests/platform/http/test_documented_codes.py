"""The HTTP reference names every code, since clients rely on them."""

from __future__ import annotations

import pytest

from adsum.platform.http.problems import CODES, ROUTING_CODES
from tests.support.live import ROOT


@pytest.mark.parametrize("code", sorted({*CODES.values(), *ROUTING_CODES.values(), "wrong_type", "invalid_value"}))
def test_every_code_of_a_malformed_request_is_documented(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
