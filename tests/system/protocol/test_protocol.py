"""The protocol is safe and live: the search visits every state of several small configurations.

Safe: no state and no step violates a property in `properties`. Live: from each state the system's own steps lead, once
the faults are over, to a state in which every run has ended and Redis is clean.
"""

from __future__ import annotations

import pytest

from tests.system.protocol import configurations
from tests.system.protocol.search import Configuration, Search

EVERY = {name: each for name, each in vars(configurations).items() if isinstance(each, Configuration)}
# Most of the states. Calm configurations and smaller ones contain the same requests.
LONG = (
    *("A_CANCEL", "A_CANCEL_AND_ANOTHER_RUN", "A_CANCEL_AND_ANOTHER_RUN_OF_TWO_WORKERS", "A_RETRY"),
    *("TWO_UPDATES", "TWO_UPDATES_OF_TWO_WORKERS"),
)


@pytest.mark.parametrize("name", [pytest.param(each, marks=[pytest.mark.long] * (each in LONG)) for each in EVERY])
def test_every_state_of_a_small_configuration_is_safe_and_leads_to_an_end(name: str) -> None:
    verdict = Search(EVERY[name]).run()
    assert verdict.problem == ""
    assert verdict.states > 4_000  # detects a search that stops early
