"""The order of a batch's states, and their names in a stream: so that progress never goes back, and can be resumed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adsum.batches.rules import BatchStatus

_EVENT_ID = re.compile(r"(?P<run_id>[0-9a-f-]{36}):(?P<settled>[0-9]{1,9}):[a-z_]{1,32}")

Step = tuple[int, bool, int, int]
"""How far a batch is, for comparison: the run's number, whether it has ended, settled jobs, recorded jobs.

The last one, since a record beats a failure of the same run: what counted as failed may yet count as recorded.
"""


def step_of(status: BatchStatus) -> Step:
    """Later states of a batch have greater steps."""
    return (status.number, status.has_ended, status.tally.settled, status.tally.recorded)


def event_id(status: BatchStatus) -> str:
    """`{runId}:{settled jobs}:{state}`; the state tells the end from the same count while the run is still open."""
    return f"{status.run_id}:{status.tally.settled}:{status.state.value}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a listener had been sent before it went away: so many settled jobs of this run."""

    run_id: str
    settled: int

    def covers(self, status: BatchStatus) -> bool:
        """Whether this state is no news. A terminal one always is: who comes back for it must not wait for ever."""
        return not status.has_ended and status.run_id == self.run_id and status.tally.settled <= self.settled


def parse_event_id(text: str | None) -> Seen | None:
    """What `Last-Event-ID` says; None: nothing that is an id of ours, so the state now is news."""
    match = _EVENT_ID.fullmatch(text or "")
    return Seen(match["run_id"], int(match["settled"])) if match is not None else None
