"""Tables: the ends of the log of events, and its readers.

`platform/database/new_events.py` has the others: the events, which every feature writes, and `announcements`, which
erasures change, since `privacy` imports no `events`.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, String, Table

from adsum.platform.database.columns import BigInt, metadata

# One row: the id of the newest numbered event, and of the newest one that was pruned. Its lock lets one transaction at
# a time number events.
event_log = Table(
    "event_log",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("last_id", BigInt, nullable=False),
    Column("pruned_id", BigInt, nullable=False),
    CheckConstraint("number = 1", name="one_row"),
)

# How far a reader inside of Adsum has read the events.
event_readers = Table(
    "event_readers",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("position", BigInt, nullable=False),
)
