"""The role that a deleted row of roles.csv is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from adsum.roster.oneroster.records import PersonRole

StoredPeople = Mapping[str, Collection[tuple[int, str]]]
"""Stored people by role: pairs of school id and source id."""


class StoredRoles:
    """The roles of stored people at the schools of an import, as pairs of role and org, by user.

    It is filled once for a file: a search through all orgs for each of its rows would take hours for a country.
    """

    def __init__(self, org_ids: Mapping[str, int], stored: StoredPeople) -> None:
        """`org_ids`: ids of the schools of the import, by source id."""
        orgs = {school_id: org for org, school_id in org_ids.items()}
        self._of_user: dict[str, list[tuple[str, str]]] = {}
        for role, people in stored.items():
            for school_id, user in people:
                if school_id in orgs:
                    self._of_user.setdefault(user, []).append((role, orgs[school_id]))

    def of(self, user: str) -> Sequence[tuple[str, str]]:
        return self._of_user.get(user, ())


def named_role(entry: PersonRole, stored: StoredRoles) -> PersonRole | None:
    """A role with its org. A deleted row may lack both, if the user has one role; None: the user has several."""
    if not entry.is_gone or (entry.role and entry.org):
        return entry
    roles = [(role, org) for role, org in stored.of(entry.user) if entry.role in {"", role} and entry.org in {"", org}]
    if len(roles) > 1:
        return None
    return replace(entry, role=roles[0][0], org=roles[0][1]) if roles else entry
