"""A chunk: one BullMQ message, up to `ADSUM_CHUNK_SIZE` attendance jobs of one run.

The message names the run and the place in its plan, and carries no mark: the plan stays in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from adsum.domain.ids import Batch, parse_batch_id

VERSION = 1
NAME = "createAttendance"


class UnreadableChunk(ValueError):
    """A message that is not of Adsum's making, or damaged."""


class NewerChunk(Exception):
    """A message of a newer version of Adsum: to be left to newer workers."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Which jobs a message stands for.

    Attributes:
        batch: whose attendance it is.
        run_id: the run.
        number: the place in the run's plan, from 0.
        student_id: of a chunk of one student, else None.
    """

    batch: Batch
    run_id: str
    number: int
    student_id: int | None = None

    @property
    def message_id(self) -> str:
        """BullMQ's id of it, the same at each resend. One student's message has the seed's job id."""
        if self.student_id is not None:
            return self.batch.job_id(self.student_id)
        return f"{self.batch.id}-run-{self.run_id}-chunk-{self.number}"

    def to_message(self) -> dict[str, Any]:
        """What `addBulk` takes. Nothing is kept of a finished message: a kept id would swallow a later one."""
        data = {"v": VERSION, "batchId": self.batch.id, "runId": self.run_id, "chunk": self.number}
        if self.student_id is not None:
            data["studentId"] = self.student_id
        return {
            "name": NAME,
            "data": data,
            "opts": {"jobId": self.message_id, "removeOnComplete": True, "removeOnFail": True},
        }


def chunk_of(data: object) -> Chunk:
    """Reads a message.

    Raises:
        NewerChunk: it is of a version that this code does not know.
        UnreadableChunk: it is no chunk.
    """
    fields = cast("dict[str, object]", data) if isinstance(data, dict) else {}
    version, number, student_id = fields.get("v"), fields.get("chunk"), fields.get("studentId")
    if isinstance(version, int) and version > VERSION:
        raise NewerChunk(f"version {version}")
    batch = parse_batch_id(str(fields.get("batchId")))
    run_id = fields.get("runId")
    if (
        version != VERSION
        or batch is None
        or not isinstance(run_id, str)
        or not isinstance(number, int)
        or not isinstance(student_id, int | None)
    ):
        raise UnreadableChunk
    return Chunk(batch, run_id, number, student_id)
