"""The seed's Redis keys, behind the configured prefix."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.platform.ids import Batch

# How the names of a batch's keys begin; its id follows.
LOCK = "attendance-batch-lock:"
COUNTER = "attendance-batch-counter:"
MARKER = "batch-completed:"


def lock_key(batch_id: str) -> str:
    """The lock's name as users know it; the prefix of the installation stands before it in Redis."""
    return f"{LOCK}{batch_id}"


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """Where the ledger of one batch lives."""

    prefix: str
    batch: Batch

    @property
    def lock(self) -> str:
        return self.prefix + lock_key(self.batch.id)

    @property
    def counter(self) -> str:
        return f"{self.prefix}{COUNTER}{self.batch.id}"

    @property
    def marker(self) -> str:
        return f"{self.prefix}{MARKER}{self.batch.id}"

    def ticket(self, student_id: int) -> str:
        return f"{self.prefix}{self.batch.job_id(student_id)}"


def bullmq_prefix(prefix: str) -> str:
    """BullMQ's own keys are `{prefix}bull:{queue}:…`: in a cluster a prefix that is a hash tag keeps them together."""
    return f"{prefix}bull"
