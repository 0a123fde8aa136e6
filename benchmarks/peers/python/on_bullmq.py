"""BullMQ for Python, one job per student: `enqueue CLASSES`, `work`. As an upper bound, one empty job per class:
`enqueue-empty CLASSES`, `work-empty`.
"""

import asyncio
import signal
import sys

import redis.asyncio
import uvloop
from bullmq import Queue, Worker
from recording import DAY, REDIS_URL, Recorder, classes, lock_all

QUEUE = "attendance-queue"
DONE = "empty-jobs-done"
AT_ONCE = 30


async def enqueue(count: int) -> None:
    lock_all(count)
    queue = Queue(QUEUE, {"connection": REDIS_URL})
    for class_id, students in classes(count):
        await queue.addBulk(
            [message(f"student-{s}-session-{class_id}-date-{DAY:%d%m%Y}", [s, class_id]) for s in students]
        )
    await queue.close()


async def enqueue_empty(count: int) -> None:
    queue = Queue(QUEUE, {"connection": REDIS_URL})
    for first in range(0, count, AT_ONCE):
        await queue.addBulk([message(f"class-{n}", [n]) for n in range(first, min(first + AT_ONCE, count))])
    await queue.close()


def message(job_id: str, data: list[int]) -> dict[str, object]:
    opts = {"jobId": job_id, "removeOnComplete": True, "removeOnFail": True}
    return {"name": "createAttendance", "data": data, "opts": opts}


async def work() -> None:
    recorder = Recorder()

    async def record(job: object, _token: str) -> None:
        await recorder.record(*job.data)

    Worker(QUEUE, record, {"connection": REDIS_URL, "concurrency": 100})
    await asyncio.Event().wait()


async def work_empty() -> None:
    """Counts empty jobs until SIGTERM, then writes the count to Redis."""
    done, stop = 0, asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def nothing(_job: object, _token: str) -> None:
        nonlocal done
        done += 1

    Worker(QUEUE, nothing, {"connection": REDIS_URL, "concurrency": 100})
    await stop.wait()
    await redis.asyncio.Redis.from_url(REDIS_URL).set(DONE, done)


COMMANDS = {"enqueue": enqueue, "enqueue-empty": enqueue_empty, "work": work, "work-empty": work_empty}

if __name__ == "__main__":
    uvloop.run(COMMANDS[sys.argv[1]](*map(int, sys.argv[2:])))
