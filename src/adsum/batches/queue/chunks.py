"""A chunk: one BullMQ message, up to `ADSUM_CHUNK_SIZE` attendance jobs of one run.

The message names the run and the place in its plan, and carries no mark: the plan stays in the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from adsum.platform.ids import MAX_ID, Batch, parse_batch_id

VERSION = 1
NAME = "createAttendance"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_NUMBER = 2**31 - 1


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
    version, run_id, student_id = fields.get("v"), fields.get("runId"), fields.get("studentId")
    if isinstance(version, int) and version > VERSION:
        raise NewerChunk(f"version {version}")
    batch = parse_batch_id(str(fields.get("batchId")))
    if version != VERSION or batch is None or not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise UnreadableChunk
    number = _whole(fields.get("chunk"), 0, _MAX_NUMBER)
    return Chunk(batch, run_id, number, None if student_id is None else _whole(student_id, 1, MAX_ID))


def _whole(value: object, least: int, most: int) -> int:
    """Checked as strictly as the database does: what it refused there would be taken for a wrong row."""
    if type(value) is int and least <= value <= most:
        return value
    raise UnreadableChunk
