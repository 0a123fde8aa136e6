"""The configurations to search. Together they contain every actor, fault and request; each is small."""

from __future__ import annotations

from tests.system.protocol.outside import Submission
from tests.system.protocol.search import Configuration

ONE, BOTH = (0,), (0, 1)
MARK_ONE, MARK_BOTH = Submission(ONE), Submission(BOTH)
CHANGE_ONE, CHANGE_BOTH = Submission(ONE, update=True), Submission(BOTH, update=True)

# With a sweeper that may act between any two steps of other actors.
TWO_FAULTS = Configuration(2, 1, (MARK_BOTH,), faults=2)
A_CANCEL = Configuration(2, 2, (MARK_BOTH,), cancels=1)
A_CANCEL_AND_ANOTHER_RUN = Configuration(1, 1, (MARK_ONE, MARK_ONE), cancels=1)
A_CANCEL_AND_ANOTHER_RUN_OF_TWO_WORKERS = Configuration(1, 2, (MARK_ONE, MARK_ONE), cancels=1, faults=0)
A_RETRY = Configuration(1, 1, (MARK_ONE,), retries=1, given_up=1)
A_CORRECTION_BEFORE_AN_UPDATE = Configuration(1, 2, (CHANGE_ONE,), corrections=1, recorded=True)
A_CORRECTION_BESIDE_AN_UPDATE = Configuration(2, 1, (CHANGE_BOTH,), corrections=1, recorded=True)
TWO_UPDATES_OF_TWO_WORKERS = Configuration(1, 2, (CHANGE_ONE, CHANGE_ONE), recorded=True, faults=0)
TWO_UPDATES = Configuration(1, 1, (CHANGE_ONE, CHANGE_ONE), recorded=True)

# Calm configurations, which allow more concurrent events.
CALM_CANCEL = Configuration(2, 2, (MARK_BOTH,), cancels=1, calm=True)
CALM_CANCEL_AND_ANOTHER_RUN = Configuration(2, 1, (MARK_BOTH, MARK_BOTH), cancels=1, calm=True)
CALM_CANCEL_BETWEEN_TWO_WORKERS = Configuration(1, 2, (MARK_ONE, MARK_ONE), cancels=1, calm=True)
CALM_RETRY = Configuration(2, 1, (MARK_BOTH,), retries=1, given_up=1, calm=True)
CALM_RETRY_BETWEEN_TWO_WORKERS = Configuration(1, 2, (MARK_ONE,), retries=1, given_up=1, calm=True)
CALM_UPDATES = Configuration(1, 2, (CHANGE_ONE, CHANGE_ONE), recorded=True, calm=True)
