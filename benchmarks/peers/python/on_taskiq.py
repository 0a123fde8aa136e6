"""taskiq on Redis streams, one task per student: `python on_taskiq.py CLASSES`, `taskiq worker on_taskiq:broker`."""

import asyncio
import sys

from recording import REDIS_URL, Recorder, classes, lock_all
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(REDIS_URL, queue_name="taskiq")
recorder = Recorder()


@broker.task(task_name="attend")
async def attend(student_id: int, class_id: int) -> None:
    await recorder.record(student_id, class_id)


async def enqueue(count: int) -> None:
    lock_all(count)
    await broker.startup()
    for class_id, students in classes(count):
        await asyncio.gather(*(attend.kiq(student_id, class_id) for student_id in students))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(enqueue(int(sys.argv[1])))
