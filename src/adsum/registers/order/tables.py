"""Tables: the order of the students in the registers of classes."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, String, Table

from adsum.platform.database.columns import metadata, reference

# A class without a row is sorted by family name.
register_orders = Table(
    "register_orders",
    metadata,
    reference("class"),
    Column("sort_by", String(16), nullable=False),
    PrimaryKeyConstraint("class_id"),
)

# The seats of a class. They are kept while it is sorted by name.
student_seats = Table(
    "student_seats",
    metadata,
    reference("class"),
    reference("student"),
    # In the order in which a teacher passes the seats, from 1.
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("class_id", "student_id"),
    Index(None, "student_id"),
)
