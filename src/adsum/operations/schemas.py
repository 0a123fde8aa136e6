"""Wire format of probes, settings, the state of the queue, and the doctor's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema


class Liveness(Schema):
    """The process answers."""

    status: Annotated[Literal["ok"], Field(description="Always `ok`.")] = "ok"


class ReadinessAnswer(Schema):
    """`checks` has one word for each of `database`, `migrations` and `redis`: `ok`, or what is wrong. With a standby to
    read from, `standby` is `ok`, `behind`, `unreachable` or `foreign`; Adsum is ready without it.
    """

    status: Annotated[Literal["ok", "unavailable"], Field(description="`ok` if every check is.")]
    checks: Annotated[
        Mapping[str, str],
        Field(
            description="`database`, `migrations` and `redis`, each `ok` or what is wrong with it; and `standby`, if "
            "one is configured, without which Adsum is ready, too."
        ),
    ]


class Version(Schema):
    """Of Adsum, by semantic versioning."""

    version: Annotated[str, Field(description="The version of Adsum, by semantic versioning.")]


class ShardItem(Schema):
    """A shard of the queue. Null: the shard does not answer, or its server does not list its clients."""

    number: int
    key_prefix: str
    paused: bool | None
    waiting: int | None
    active: int | None
    workers: int | None


class SettingItem(Schema):
    """A setting with its value and its origin. Secrets are masked."""

    name: str
    value: Any
    origin: str


class SigningKeyItem(Schema):
    """A signing key, without the key. `state`: `signs`, `verifies` or `ended`. `endsAt` is null if it has no end."""

    id: str
    state: Literal["signs", "verifies", "ended"]
    ends_at: Moment | None


class QueueItem(Schema):
    """The state of the queue. `workers` is null if the server hides its clients."""

    paused: bool
    waiting: int
    active: int
    delayed: int
    failed: int
    workers: list[str] | None


class FindingItem(Schema):
    """The result of one check. `remedy` is the command that repairs a fault."""

    check: str
    severity: str
    message: str
    remedy: str | None
    is_mendable: Annotated[bool, Field(validation_alias="is_repairable")]


class DoctorReport(Schema):
    """All findings, the repairs that were made, and the checks that were not."""

    mended: list[str]
    findings: list[FindingItem]
    not_looked_at: list[str]
