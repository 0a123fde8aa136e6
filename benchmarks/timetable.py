"""Classes and days to mark, each once, and the expected records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice

from adsum.platform.ids import Batch
from benchmarks.sizes import STUDENTS

FIRST_DAY = date(2024, 12, 25)
BIG_CLASS = 5_000_000


def students_of(class_id: int, big: int) -> range:
    """Returns the ids of a class's students. `big` is the size of the big class."""
    first = class_id * STUDENTS
    return range(first, first + (big if class_id == BIG_CLASS else STUDENTS))


@dataclass
class Timetable:
    """Hands out batches of 30, day by day, and batches of the big class. Keeps all batches that it handed out."""

    classes: int
    big: int
    batches: list[Batch] = field(default_factory=list[Batch])

    def __post_init__(self) -> None:
        self._next = (
            Batch(number, number, FIRST_DAY + timedelta(days))
            for days in range(700)
            for number in range(1, self.classes + 1)
        )

    def take(self, count: int) -> list[Batch]:
        taken = list(islice(self._next, count))
        self.batches += taken
        return taken

    def take_big(self) -> Batch:
        batch = Batch(BIG_CLASS, BIG_CLASS, FIRST_DAY)
        self.batches.append(batch)
        return batch

    def students(self, batch: Batch) -> range:
        return students_of(batch.class_id, self.big)

    @property
    def rows(self) -> int:
        return sum(len(self.students(batch)) for batch in self.batches)


def body(batch: Batch) -> bytes:
    """Returns the request body that marks a whole class, in the seed's format, which every system accepts."""
    fields = {"classId": batch.class_id, "sessionId": batch.session_id, "isSelectedAll": True}
    return json.dumps(fields | {"learningDate": f"{batch.learning_date}T00:00:00.000Z"}).encode()
