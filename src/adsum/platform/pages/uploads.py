"""Uploads in two steps: the first shows the changes of a file, the second imports it.

The client sends the file twice, and the server stores nothing in between: no abandoned upload leaves data about
children on a disk, and any process can serve the second step. A digest ensures that both files are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

from fastapi import Request
from starlette.datastructures import UploadFile

from adsum.platform.errors import Invalid, Violation
from adsum.platform.pages.page_visitor import FIELD, own_form

MAX_FIELDS = 6
BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file.

    Attributes:
        file: the open file at its beginning, until the end of the block.
        name: the name of the file on the client.
        digest: its SHA-256.
        is_confirmed: the visitor confirmed the import of this file.
        is_other: the visitor confirmed another file.
        choices: the names of the ticked boxes.
        texts: the fields that are filled in, without blanks around them.
    """

    file: IO[bytes]
    name: str
    digest: str
    is_confirmed: bool
    is_other: bool
    choices: frozenset[str]
    texts: Mapping[str, str]


@asynccontextmanager
async def uploaded(request: Request) -> AsyncGenerator[Upload]:
    """The file of a form. The body is read here, after the check of permissions. Raises Invalid: there is no file."""
    async with own_form(request, max_files=1, max_fields=MAX_FIELDS) as form:
        file, confirmed = form.get("file"), form.get("digest")
        if not isinstance(file, UploadFile) or not file.filename:
            detail = "choose a file"
            raise Invalid(detail, [Violation("missing_field", detail, "/file")])
        digest = await asyncio.to_thread(_digest, file.file)
        await file.seek(0)
        fields = {name: value.strip() for name, value in form.items() if isinstance(value, str) and name != FIELD}
        choices = frozenset(name for name, value in fields.items() if value == "true")
        texts = {name: value for name, value in fields.items() if value and name not in choices and name != "digest"}
        is_other = bool(confirmed) and confirmed != digest
        yield Upload(file.file, file.filename, digest, confirmed == digest, is_other, choices, texts)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def is_scripted(request: Request) -> bool:
    """Whether a script sent the form. Then the file remains selected in it."""
    return request.headers.get("HX-Request") == "true"
