"""How the progress of a batch is followed: by its server-sent events, or by asking for its status.

The client does as `Following` says, and tells it each outcome.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx2

from adsum.client.calls import batch_status
from adsum.client.errors import BatchTimeout
from adsum.client.retries import Again, NoAnswer, Outcome, Retries, decide, error_of, pause_after, read_result
from adsum.client.values import BatchStatus

# The API sends a line at least every 15 seconds, so that an event later than this will not come.
SILENCE_S = 20.0
FIRST_POLL_S = 0.1
LONGEST_POLL_S = 2.0


class Following:
    """The progress of one batch from now on, until it has ended.

    Attributes:
        question: the call that asks for the status.
        last_id: of the last event, for `Last-Event-ID`; None: none has come.
        status: the last state that was returned; None: none was.
    """

    def __init__(self, batch_id: str, timeout: float | None, retries: Retries, clock: Callable[[], float]) -> None:
        self.question = batch_status(batch_id)
        self._batch_id = batch_id
        self._clock = clock
        self._deadline = clock() + timeout if timeout is not None else None
        self._retries = retries
        self._refusals = 0
        self._pause = 0.0
        self._poll = FIRST_POLL_S
        self._is_silent = True
        self._event: dict[str, str] = {}
        self._has_streams = True
        self._is_open = False
        self.last_id: str | None = None
        self.status: BatchStatus | None = None

    @property
    def has_ended(self) -> bool:
        return self.status is not None and self.status.has_ended

    @property
    def listens(self) -> bool:
        """Whether to listen to the events. Otherwise to ask for the status: there are no streams, or the next line may
        come after the deadline.
        """
        is_late = self._deadline is not None and self._deadline - self._clock() < SILENCE_S
        return self._has_streams and not is_late and not self.has_ended

    def pause(self) -> float:
        """Seconds to wait before the next step.

        Raises:
            BatchTimeout: the batch has not ended in time.
        """
        if self._deadline is None:
            return self._pause
        left = self._deadline - self._clock()
        if left <= 0:
            raise BatchTimeout(self._batch_id, self.status)
        return min(self._pause, left)

    def answered(self, outcome: Outcome) -> BatchStatus | None:
        """Takes the answer to the question. Returns it if it is new.

        Raises:
            ClientError: the batch does not exist, or the API is unavailable after all retries.
        """
        decision = decide(self.question, outcome, self._refusals + 1, self._retries)
        if isinstance(decision, Again):
            self._refusals += 1
            self._pause = decision.pause
            return None
        self._refusals = 0
        self._pause = self._poll
        self._poll = min(2 * self._poll, LONGEST_POLL_S)
        return self._newer(decision.result)

    def opened(self, status: int, headers: httpx2.Headers) -> bool:
        """Whether the answer to a request for events is a stream of them. If not, it is to be read and `refused`."""
        self._is_silent = True
        self._event = {}
        self._is_open = status == 200 and headers.get("content-type", "").startswith("text/event-stream")
        return self._is_open

    def refused(self, outcome: Outcome) -> None:
        """Takes the failure to open a stream. Asks instead of listening where no stream gets through.

        Raises:
            ClientError: the batch does not exist, or the API is unavailable after all retries.
        """
        if _has_no_streams(outcome):
            self._ask_from_now_on()
            return
        self._refusals += 1
        pause = pause_after(outcome, self._refusals, self._retries)
        if pause is None:
            raise error_of(outcome)
        self._pause = pause

    def line(self, line: str) -> BatchStatus | None:
        """Takes a line of the stream. Returns the state of the event that it ends, if the state is new."""
        self._is_silent = False
        self._refusals = 0
        if line:
            name, _, value = line.partition(":")
            self._event[name] = value.removeprefix(" ")
            return None
        event, self._event = self._event, {}
        if "data" not in event:
            return None  # a comment
        self.last_id = event.get("id", self.last_id)
        return self._newer(read_result(self.question, event["data"]))

    def lost(self, error: Exception) -> None:
        """Takes a failure of the connection, before or after the stream was opened."""
        if self._is_open:
            self.interrupted()
        else:
            self.refused(NoAnswer(error))

    def interrupted(self) -> None:
        """Takes the end of a stream: a restart of the API, a broken connection, or 15 minutes. It is opened again, from
        the last event on, if it has brought anything.
        """
        self._is_open = False
        if self._is_silent:
            self._ask_from_now_on()
        else:
            self._pause = self._retries.pause_after(0) or 0.0

    def _ask_from_now_on(self) -> None:
        self._has_streams = False
        self._pause = 0.0

    def _newer(self, status: BatchStatus) -> BatchStatus | None:
        if status == self.status:
            return None
        self.status = status
        self._poll = FIRST_POLL_S
        return status


def _has_no_streams(outcome: Outcome) -> bool:
    """Whether there are too many streams, or something in between collects an answer before it passes it on."""
    if isinstance(outcome, NoAnswer):
        return isinstance(outcome.error, httpx2.ReadTimeout)
    return outcome.status < 300 or (outcome.status == 503 and b"too_many_listeners" in outcome.content)
