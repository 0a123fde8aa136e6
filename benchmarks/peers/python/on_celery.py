"""Celery, one task per student, acknowledged late: `python on_celery.py CLASSES`, `celery -A on_celery worker`."""

import os
import sys
from datetime import UTC, datetime

import psycopg
import redis
from celery import Celery
from recording import DAY, LOCK_S, MARKER_S, REDIS_URL, classes, keys_of, lock_all

INSERT = """INSERT INTO attendances (student_id, session_id, learning_date, class_id, status)
            VALUES (%s, %s, %s, %s, 'present') ON CONFLICT DO NOTHING"""

app = Celery("on_celery", broker=f"redis+socket://{os.environ['VALKEY_SOCKET']}")
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=16)
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
connections: list[tuple[psycopg.Connection, redis.Redis]] = []


@app.task
def attend(student_id: int, class_id: int) -> None:
    if not connections:  # each worker process has its own connections
        connections.append((psycopg.connect(autocommit=True), redis.Redis.from_url(REDIS_URL)))
    postgres, valkey = connections[0]
    postgres.execute(INSERT, (student_id, class_id, DAY, class_id))
    lock, counter, marker = keys_of(class_id)
    remaining, _ = valkey.pipeline().decr(counter).expire(counter, LOCK_S).execute()
    if remaining <= 0:
        now = datetime.now(UTC).isoformat()
        valkey.pipeline().delete(lock, counter).set(marker, now, ex=MARKER_S).execute()


if __name__ == "__main__":
    lock_all(int(sys.argv[1]))
    for class_id, students in classes(int(sys.argv[1])):
        for student_id in students:
            attend.delay(student_id, class_id)
