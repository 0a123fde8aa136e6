"""The protocol is safe and live: every state of several small worlds is visited.

Safe: no state and no step is one of those that `properties` names. Live: from wherever the world has come to, the
system's own steps lead, once the faults are over, to where every run has ended and Redis is clean.
"""

from __future__ import annotations

import pytest

from tests.system.protocol import configurations
from tests.system.protocol.search import Configuration, Search

EVERY = {name: each for name, each in vars(configurations).items() if isinstance(each, Configuration)}


@pytest.mark.parametrize("name", EVERY)
def test_every_state_of_a_small_world_is_safe_and_leads_to_an_end(name: str) -> None:
    verdict = Search(EVERY[name]).run()
    assert verdict.problem == ""
    assert verdict.states > 4_000  # a search that stops early has not seen the world
