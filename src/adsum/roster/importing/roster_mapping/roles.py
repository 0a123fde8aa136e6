"""The role that a deleted row of roles.csv is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from adsum.roster.oneroster.records import PersonRole


def named_role(
    entry: PersonRole, org_ids: Mapping[str, int], stored: Mapping[str, Collection[tuple[int, str]]]
) -> PersonRole | None:
    """A role with its org. A deleted row may lack both, if the user has one role; None: the user has several.

    Args:
        entry: the row.
        org_ids: ids of the schools of the import, by source id.
        stored: pairs of school id and source id, by role.
    """
    if not entry.is_gone or (entry.role and entry.org):
        return entry
    roles = [
        (role, org)
        for role, people in stored.items()
        for org, school_id in org_ids.items()
        if (school_id, entry.user) in people and entry.role in {"", role} and entry.org in {"", org}
    ]
    if len(roles) > 1:
        return None
    return replace(entry, role=roles[0][0], org=roles[0][1]) if roles else entry
