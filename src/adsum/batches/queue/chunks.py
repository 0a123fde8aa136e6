"""A chunk: one BullMQ message, with up to `ADSUM_CHUNK_SIZE` attendance jobs of one run.

The message has the id of the run and the number of the chunk in its plan. The marks stay in the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from adsum.batches.rules import is_run_id
from adsum.batches.run import Run
from adsum.platform.ids import MAX_ID, Batch, parse_batch_id

VERSION = 1
NAME = "createAttendance"
# The option in which BullMQ's workers, also those of Node, find the context of a trace.
TRACE = "tm"
_MAX_NUMBER = 2**31 - 1


class UnreadableChunk(ValueError):
    """A message that Adsum did not write, or a damaged one."""


class NewerChunk(Exception):
    """A message of a newer version of Adsum, which newer workers process."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The jobs of one message.

    Attributes:
        batch: of the run.
        run_id: the run.
        number: of the chunk in the run's plan, from 0.
        student_id: with a chunk size of 1, the student; else None.
        trace: the context of the trace that the message continues; None: it is not traced.
    """

    batch: Batch
    run_id: str
    number: int
    student_id: int | None = None
    trace: str | None = field(default=None, compare=False)

    @property
    def message_id(self) -> str:
        """The BullMQ id, the same at each resend. With a chunk size of 1 it is the seed's job id."""
        if self.student_id is not None:
            return self.batch.job_id(self.student_id)
        return f"{self.batch.id}-run-{self.run_id}-chunk-{self.number}"

    def to_message(self) -> dict[str, Any]:
        """The form that `addBulk` takes. BullMQ drops a message whose id it has, so finished messages are removed."""
        data = {"v": VERSION, "batchId": self.batch.id, "runId": self.run_id, "chunk": self.number}
        if self.student_id is not None:
            data["studentId"] = self.student_id
        options = {"jobId": self.message_id, "removeOnComplete": True, "removeOnFail": True}
        if self.trace is not None:
            options[TRACE] = self.trace
        return {"name": NAME, "data": data, "opts": options}


def chunks_of(run: Run) -> list[Chunk]:
    """The chunks of a run.

    Only with a chunk size of 1 do messages have the seed's job ids, which are the same in every run: otherwise the
    message of a class with one student could be dropped as a duplicate of that of an earlier run.
    """
    return [
        Chunk(run.batch, run.run_id, number, jobs[0].student_id if run.chunk_size == 1 else None, run.trace)
        for number, jobs in enumerate(run.chunks)
    ]


def span_attributes(queue_name: str, operation: str) -> dict[str, str | int]:
    """Of spans that send or process messages, by the semantic conventions of OpenTelemetry."""
    return {
        "messaging.system": "bullmq",
        "messaging.destination.name": queue_name,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }


def chunk_of(data: object) -> Chunk:
    """Reads the data of a message.

    Raises:
        NewerChunk: its version is newer than this code.
        UnreadableChunk: it is not a chunk.
    """
    fields = cast("dict[str, object]", data) if isinstance(data, dict) else {}
    version, run_id, student_id = fields.get("v"), fields.get("runId"), fields.get("studentId")
    if isinstance(version, int) and version > VERSION:
        raise NewerChunk(f"version {version}")
    batch = parse_batch_id(str(fields.get("batchId")))
    if version != VERSION or batch is None or not isinstance(run_id, str) or not is_run_id(run_id):
        raise UnreadableChunk
    number = _bounded_integer(fields.get("chunk"), 0, _MAX_NUMBER)
    return Chunk(batch, run_id, number, None if student_id is None else _bounded_integer(student_id, 1, MAX_ID))


def _bounded_integer(value: object, minimum: int, maximum: int) -> int:
    """As strict as the database, since a value that the database rejects would count as a rejected record."""
    if type(value) is int and minimum <= value <= maximum:
        return value
    raise UnreadableChunk
