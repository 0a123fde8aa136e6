"""Queues and messages of BullMQ, the only place beside `workers` that imports it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import Any, cast

from bullmq import Job, Queue
from redis.asyncio import Redis

_UNTIDY = re.compile(r"[^A-Za-z0-9.-]")


def process_name() -> str:
    """`host:pid` of this process. BullMQ names its connections so, which replaces keys and heartbeats of workers."""
    return f"{_UNTIDY.sub('-', socket.gethostname())}:{os.getpid()}"


def bullmq_prefix(prefix: str) -> str:
    """The prefix of BullMQ's keys, `{prefix}bull:{queue}:…`. The hash tag of a shard keeps them in one slot."""
    return f"{prefix}bull"


def open_message_queue(redis: Redis, queue_name: str, key_prefix: str) -> Any:
    """BullMQ's queue, which ships no types. It uses the connections of `redis`."""
    return Queue(queue_name, cast("Any", {"connection": redis, "prefix": bullmq_prefix(key_prefix)}))


def new_job(queue: Any, message: Mapping[str, Any]) -> Any:
    """BullMQ's job for a message with `name`, `data` and `opts`, of which `jobId` is the id."""
    return Job(queue, message["name"], message["data"], message["opts"], message["opts"]["jobId"])
