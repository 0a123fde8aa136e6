"""The step of an import that makes the contacts of students equal to the files.

Each contact counts once for each of their students and schools. A contact who ends is deleted: nothing refers to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from adsum.platform.database.engine import Connection
from adsum.roster.importing.repository import transfers
from adsum.roster.importing.repository.contacts import add_contacts, change_contacts, delete_contacts, stored_contacts
from adsum.roster.importing.roster_mapping.contacts import ContactMapping, KnownUsers, Place
from adsum.roster.importing.roster_mapping.people import PeopleMapping
from adsum.roster.importing.rules import ContactKey, Findings, ImportedContact, TableReport

_Contacts = Mapping[ContactKey, ImportedContact]


async def apply_contacts(
    connection: Connection, people: PeopleMapping, findings: Findings, *, is_complete: bool
) -> tuple[TableReport, Mapping[int, str]]:
    """Adds, changes and deletes contacts, once the students of the import are stored.

    Returns the report, and the column of the empty name, by row, of contacts with one name: as `names.empty_names`.

    `is_complete`: the contacts and relations that the file does not have are over.
    """
    stored = await stored_contacts(connection)
    if people.contacts.is_empty and not stored:
        return TableReport(), {}
    known = KnownUsers(
        places=await asyncio.to_thread(_by_source, await transfers.active_students(connection)),
        listed=people.listed,
        gone=people.gone,
        left_out=people.left_out,
        stored=stored,
        is_complete=is_complete,
    )
    mapping = await asyncio.to_thread(ContactMapping, people.contacts, known, findings)
    found = await asyncio.to_thread(mapping.contacts)
    added, changed, ended = await asyncio.to_thread(_differences, found, stored)
    await delete_contacts(connection, ended)
    await change_contacts(connection, changed)
    await add_contacts(connection, added)
    report = TableReport(len(added), len(changed), len(ended), len(found) - len(added) - len(changed))
    return report, await asyncio.to_thread(mapping.empty_names, {*added, *changed})


def count_before(contacts: TableReport) -> int:
    """The number of contacts before the import."""
    return contacts.changed + contacts.ended + contacts.unchanged


async def stored_roles(connection: Connection) -> dict[str, str]:
    """The roles of the stored contacts, by source id."""
    return {source_id: contact.role for (_, _, source_id), contact in (await stored_contacts(connection)).items()}


def _differences(found: _Contacts, stored: _Contacts) -> tuple[_Contacts, _Contacts, set[ContactKey]]:
    """The contacts that are added, changed and ended."""
    added = {key: each for key, each in found.items() if key not in stored}
    changed = {key: each for key, each in found.items() if key in stored and stored[key] != each}
    return added, changed, stored.keys() - found.keys()


def _by_source(ids: Mapping[tuple[int, str], int]) -> dict[str, list[Place]]:
    """The school and the id of each student, by source id."""
    found: dict[str, list[Place]] = {}
    for (school_id, source_id), student_id in ids.items():
        found.setdefault(source_id, []).append((school_id, student_id))
    return found
