"""Settings of the queue, its workers, and the sweeper."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from adsum.platform.setting_groups.values import KeyPrefix, ShardNumbers

MAX_SHARDS = 64


class QueueSettings(BaseSettings):
    """The queue, its workers, and the sweeper."""

    queue_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", description="The name of the BullMQ queue.")] = (
        "attendance"
    )
    key_prefix: Annotated[
        KeyPrefix,
        Field(description="Precedes every Redis key, so that installations can share a server."),
    ] = ""
    queue_shards: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SHARDS)] | None,
        Field(
            description="Parts of the queue, 1 to 64, each with the batches of some sessions. Unset: 1; in a "
            "[cluster](../how-to/run-in-a-cluster.md), the number of primaries when it was first used."
        ),
    ] = None
    chunk_size: Annotated[
        int,
        Field(
            ge=1,
            le=5000,
            description="Students in one BullMQ message. With 1, message ids are those of the earlier Node service.",
        ),
    ] = 500
    max_batch_size: Annotated[int, Field(ge=1, le=20_000, description="Maximum number of students in one batch.")] = (
        10_000
    )
    worker_processes: Annotated[
        Annotated[int, Field(ge=1, le=256)] | None,
        Field(
            description="Processes that `adsum worker` keeps running. Unset: half of the cores. `adsum up` runs one."
        ),
    ] = None
    worker_concurrency: Annotated[
        int,
        Field(
            ge=1, le=1000, description="Messages that a worker process holds at once. Up to 64 are written together."
        ),
    ] = 128
    worker_shards: Annotated[
        ShardNumbers,
        Field(
            description="The shards that a worker serves, separated by commas, such as `0,2`. Empty: all. Each shard "
            "needs a worker; a worker of shard 0 makes the entries and deletions that are due."
        ),
    ] = ""
    worker_metrics_port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="The port on which a worker serves its metrics; further workers take the next ports. 0: none.",
        ),
    ] = 0
    worker_metrics_host: Annotated[
        str, Field(description="The address on which a worker serves its metrics. They need no key: keep it private.")
    ] = "127.0.0.1"
    message_lock: Annotated[
        float, Field(ge=0.1, le=60, description="Seconds after which a silent worker loses its message.")
    ] = 5.0
    stall_interval: Annotated[
        float, Field(ge=0.1, le=60, description="Seconds between two searches for messages of silent workers.")
    ] = 1.0
    lock_ttl: Annotated[
        int, Field(ge=1, description="Seconds until the lock, counter and job keys of a batch expire.")
    ] = 3600
    completed_ttl: Annotated[int, Field(ge=1, description="Seconds until the completion marker expires.")] = 86400
    sweep_interval: Annotated[
        float, Field(ge=0.05, le=60, description="Seconds between two searches for stalled runs.")
    ] = 2.0
    sweep_grace: Annotated[
        float, Field(ge=0, le=60, description="Seconds until a new run is first checked by the sweeper.")
    ] = 2.0
