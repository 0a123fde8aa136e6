"""Tables: the steps of the setup that somebody has confirmed."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, String, Table

from adsum.platform.database.columns import Instant, metadata, reference

# A step that Adsum cannot see to be done, or that the school does not need; `all`: the checklist is dismissed.
setup_steps = Table(
    "setup_steps",
    metadata,
    reference("school"),
    Column("step", String(16), nullable=False),
    Column("confirmed_at", Instant, nullable=False),
    PrimaryKeyConstraint("school_id", "step"),
)
